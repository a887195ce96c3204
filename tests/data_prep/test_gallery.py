import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from anyany.evaluation.page import show_clip, show_sound
from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.levels import LEVELS
from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.records import make_record, render
from anyany.seeds import rng_of
from data_prep import gallery
from data_prep.parts import measures
from tests.data_prep.painter import painted

NUMBER = 7
KINDS = {"stable_diffusion": ("Picture", "image"), "zeroscope": ("Clip", "video"), "audioldm": ("Sound", "audio")}


class Page(HTMLParser):
    """Reads what stands in a gallery's figures; every tag must be closed."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.figures, self.tags = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "figure":
            self.figures.append({"caption": "", "verdict": "", "kind": "", "src": []})
        if "src" in (named := dict(attrs)):
            self.figures[-1]["src"].append(named["src"])
        if tag == "span":
            self.figures[-1]["kind"] = named["class"]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        names = {"b": "caption", "span": "verdict"}
        if self.open and self.open[-1] in names:
            self.figures[-1][names[self.open[-1]]] += data


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """A folder with one decoder of each modality."""
    for name in KINDS:
        (tmp_path / "parts" / name).mkdir(parents=True)
    painted(tmp_path / "conf", {name: kind for name, (kind, _) in KINDS.items()}, monkeypatch)
    return tmp_path / "parts"


@pytest.fixture
def shown(parts, tmp_path, capsys):
    """The page of all decoders, and its path."""

    def show(*more: str) -> tuple[Page, str]:
        out = tmp_path / "pages" / "gallery.html"
        options = ["--level", "standard", "--number", str(NUMBER)]
        assert gallery.main(["--out", str(out), "--parts", str(parts), *options, *more]) == 0
        assert capsys.readouterr().out == f"{out}: {', '.join(KINDS)}; open it in a browser\n"
        text = out.read_text(encoding="utf-8")
        assert [path.name for path in out.parent.iterdir()] == [out.name]
        return Page(text), text

    return show


def data_of(src: str, kind: str) -> bytes:
    head, _, body = src.partition(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(body, validate=True)


def test_there_is_a_figure_for_every_caption(shown):
    page, text = shown()
    records = [
        make_record(0, "standard", "test_novel", modality, n) for _, modality in KINDS.values() for n in range(NUMBER)
    ]
    assert [figure["caption"] for figure in page.figures] == [record["txt"].decode() for record in records]
    assert page.open == []
    assert "Captions of test_novel, level standard, seed 0" in text
    assert text.startswith("<!doctype html>")
    assert re.findall(r"<h2>(.*)</h2>", text) == [f"{modality}: {name}" for name, (_, modality) in KINDS.items()]


def test_verdicts_are_the_oracles(shown):
    page, text = shown()
    for first in range(0, 3 * NUMBER, NUMBER):
        kinds = [figure["kind"] for figure in page.figures[first : first + NUMBER]]
        verdicts = [figure["verdict"] for figure in page.figures[first : first + NUMBER]]
        assert kinds == ["right", "wrong", "right", "wrong", "wrong", "wrong", "right"]
        assert [verdict for verdict, kind in zip(verdicts, kinds, strict=True) if kind == "right"] == ["right"] * 3
        assert verdicts[4].startswith("unreadable: ")
        assert all(verdicts[n].startswith("wrong ") for n in (1, 3, 5))
    assert "read: number 2, color blue, shape square, size large, place left" in page.figures[1]["verdict"]
    assert re.findall(r"All attributes right: ([\d.]+) .*n = (\d+)\)", text) == [("0.429", str(NUMBER))] * 3


def test_pictures_are_pngs_of_the_pixels(shown):
    page, _ = shown()
    picture = Image.open(io.BytesIO(data_of(page.figures[0]["src"][0], "image/png")))
    record = make_record(0, "standard", "test_novel", "image", 0)
    scene, level = read_caption(record["txt"].decode(), "image"), LEVELS["standard"]
    wanted = MEDIA["image"].decode(render(scene, level, rng_of("painter", 0)), MediaSpec())
    assert (picture.format, picture.mode) == ("PNG", "RGB")
    assert np.array_equal(np.asarray(picture), wanted.permute(1, 2, 0).numpy())


def test_clips_move_without_loss():
    frames_F3HW = torch.randint(0, 256, (8, 3, 16, 12), dtype=torch.uint8)
    clip = Image.open(io.BytesIO(data_of(re.search("src='(.*?)'", show_clip(frames_F3HW))[1], "image/webp")))
    assert (clip.format, clip.n_frames, clip.info["loop"]) == ("WEBP", 8, 0)
    for index, frame in enumerate(frames_F3HW):
        clip.seek(index)
        assert np.array_equal(np.asarray(clip.convert("RGB")), frame.permute(1, 2, 0).numpy())
        clip.load()
        assert clip.info["duration"] == 250


def test_sounds_have_a_player_and_a_spectrogram(shown):
    page, _ = shown()
    for figure in page.figures[2 * NUMBER :]:
        assert len(figure["src"]) == 2
        picture = Image.open(io.BytesIO(data_of(figure["src"][0], "image/png")))
        assert picture.format == "PNG"
        samples_S, rate_hz = soundfile.read(io.BytesIO(data_of(figure["src"][1], "audio/wav")))
        assert (rate_hz, samples_S.shape) == (16_000, (32_000,))
    assert page.tags.count("audio") == NUMBER


def test_a_tone_is_a_bright_line_at_its_height():
    time_s = torch.arange(32_000) / 16_000
    lines = []
    for hz in (400.0, 2_000.0):
        src = re.findall("src='(.*?)'", show_sound(0.5 * torch.sin(2 * torch.pi * hz * time_s)))[0]
        grey_KT = np.asarray(Image.open(io.BytesIO(data_of(src, "image/png"))).convert("L"))
        rows_K = grey_KT.astype(float).mean(1)
        lines.append(int(rows_K.argmax()) / len(rows_K))
        assert rows_K.max() > 200 > 60 > np.median(rows_K)
    assert lines[0] > lines[1]  # the low one is further down


def test_captions_are_escaped(shown, monkeypatch):
    told = measures.told
    evil = "a <b>red</b> circle & 'two' <script>"
    monkeypatch.setattr(measures, "told", lambda pairs: ([evil] * len(pairs), told(pairs)[1]))
    monkeypatch.setattr("tests.data_prep.painter.read_caption", lambda text, modality: _any_scene(modality))
    page, text = shown()
    assert {figure["caption"] for figure in page.figures} == {evil}
    assert "script" not in page.tags
    assert "<b>red" not in text


def _any_scene(modality):
    captions = {"image": "a red circle", "video": "a red circle moving left", "audio": "a high chirp"}
    return read_caption(captions[modality], modality)


def test_no_decoder_is_a_clear_exit(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        gallery.main(["--parts", str(tmp_path), "--out", str(tmp_path / "page.html")])
    assert stopped.value.code == f"no decoder under {tmp_path}; `make parts` trains them"
    assert not (tmp_path / "page.html").exists()


def test_a_decoder_that_is_not_there_is_left_out(shown, parts, monkeypatch):
    monkeypatch.delitem(KINDS, "zeroscope")
    (parts / "zeroscope").rmdir()
    page, _ = shown("--split", "val", "--seed", "3")
    assert len(page.figures) == 2 * NUMBER
