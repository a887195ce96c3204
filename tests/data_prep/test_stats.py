import json
import os
from collections import Counter
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anyany.data.index import read_header, write_index
from anyany.faults import UserError
from anyany.media.clips import encode_mp4
from anyany.media.pictures import encode_jpeg
from anyany.media.sounds import encode_wav
from data_prep import stats
from data_prep.looking.histograms import BINS, draw, edges_of, ordered, title_of
from data_prep.looking.losses import report_of
from data_prep.looking.quantities import UNSURE, Held, Sampled, language_of, summary
from tests.data.shards import pair_records, write_shard

JPEG = encode_jpeg(torch.zeros(3, 16, 24, dtype=torch.uint8))
WIDE = encode_jpeg(torch.zeros(3, 16, 48, dtype=torch.uint8))
MP4 = encode_mp4(torch.zeros(6, 3, 16, 32, dtype=torch.uint8), 12)
WAV = encode_wav(torch.zeros(12_000), 8000)
TALK = {
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, {"type": "audio", "member": "0.wav"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "A hum"}, {"type": "image", "caption": "a bee"}]},
    ]
}
REPORT = {
    "source": "pairs",
    "listed": 10,
    "written": 3,
    "left_out": {"missing_media": 6, "web_page": 1},
    "notes": {"kept_as_text": 2},
}


@pytest.fixture
def shards(tmp_path):
    """Two sources: pairs in two shards, with what preparation left out of them, and conversations."""
    pairs = [
        ("a", {"jpg": JPEG, "txt": b"two goats on a rock"}),
        ("b", {"jpg": WIDE, "txt": b"a goat"}),
        ("c", {"jpg": JPEG[:10], "txt": b""}),
    ]
    talks = [("t", {"json": json.dumps(TALK).encode(), "0.wav": WAV, "1.mp4": MP4}), ("u", {"json": b"[]"})]
    for name, records in {"pairs/0": pairs[:2], "pairs/1": pairs[2:], "talks/0": talks}.items():
        path = tmp_path / f"{name}.tar"
        path.parent.mkdir(exist_ok=True)
        write_index(write_shard(path, records))
    (tmp_path / "pairs" / "report.json").write_text(json.dumps(REPORT))
    return tmp_path


def run(capsys, folder: Path, *options: object) -> tuple[dict, list[str]]:
    """What is written and what is printed."""
    assert stats.main([str(folder / "*" / "*.tar"), "--out", str(folder / "out"), *map(str, options)]) == 0
    return json.loads((folder / "out" / "stats.json").read_text()), capsys.readouterr().out.splitlines()


def row(lines: list[str], start: str) -> list[str]:
    """The cells of the first line that starts so."""
    return next(line for line in lines if line.startswith(start))[len(start) :].split()


def test_counts_are_those_of_the_shards(shards, capsys):
    sources, lines = run(capsys, shards)
    pairs, talks = sources["sources"]["pairs"], sources["sources"]["talks"]
    assert (pairs["shards"], pairs["records"], talks["shards"], talks["records"]) == (2, 3, 1, 2)
    assert pairs["members"] == {
        "jpg": {"count": 3, "bytes": len(JPEG) + len(WIDE) + 10},
        "txt": {"count": 3, "bytes": 19 + 6},
    }
    assert talks["members"] == {
        "json": {"count": 2, "bytes": len(json.dumps(TALK)) + 2},
        "wav": {"count": 1, "bytes": len(WAV)},
        "mp4": {"count": 1, "bytes": len(MP4)},
    }
    assert "pairs: 3 records in 2 shards" in lines
    assert row(lines, "  txt") == ["3", "25", "B"]


def test_counting_reads_nothing_but_indices(tmp_path):
    path = write_shard(tmp_path / "0.tar", pair_records(40))
    write_index(path)
    bytes_by_extension = {name: sum(len(members[name]) for _, members in pair_records(40)) for name in ("jpg", "txt")}
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    held = Held()
    held.add(read_header(str(path)))
    assert held.num_members == {"jpg": 40, "txt": 40, "json": 40}
    assert {name: held.num_bytes[name] for name in bytes_by_extension} == bytes_by_extension


def test_what_records_do_not_hold_and_cut_shards_are_counted(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    path = write_shard(tmp_path / "a" / "0.tar", [("x", {"txt": b"a goat"}), (".hidden", {"txt": b"?"})])
    path.write_bytes(path.read_bytes()[:2048])
    write_index(path, force=True)
    sources, lines = run(capsys, tmp_path)
    assert sources["sources"]["a"]["passed_over"] == {"unnamed": 1}
    assert sources["sources"]["a"]["shards_cut_off"] == 1
    assert "  passed over  1 unnamed" in lines
    assert "  cut off      1 shards" in lines


def test_texts_and_media_are_measured(shards, capsys):
    sources, lines = run(capsys, shards)
    pairs, talks = (sources["sources"][name]["quantities"] for name in ("pairs", "talks"))
    assert {name: (each["count"], each["min"], each["max"]) for name, each in pairs.items()} == {
        "caption_characters": (2, 6, 19),
        "caption_words": (2, 2, 5),
        "image_width_px": (2, 24, 48),
        "image_height_px": (2, 16, 16),
    }
    assert {name: each["mean"] for name, each in talks.items()} == {
        "dialogue_characters": len("Be short.\nAnd this?\nA hum"),
        "dialogue_words": 6,
        "dialogue_turns": 2,
        "dialogue_media": 2,
        "video_width_px": 32,
        "video_height_px": 16,
        "video_length_s": 0.5,
        "video_frame_rate_hz": 12,
        "audio_length_s": 1.5,
        "audio_sample_rate_hz": 8000,
        "audio_num_channels": 1,
    }
    assert row(lines, "  image width (pixels)") == ["2", "24", "25.2", "36", "36", "46.8", "48"]


def test_faults_are_counted_by_kind(shards, capsys):
    sources, lines = run(capsys, shards)
    assert sources["sources"]["pairs"]["faults"] == {"empty_caption": 1, "broken_image": 1}
    assert sources["sources"]["talks"]["faults"] == {"bad_json": 1}
    assert "  faults     bad_json 1" in lines


def test_what_preparation_left_out_is_one_table(shards, capsys):
    (shards / "talks" / "report.json").write_text(
        json.dumps({"source": "talks", "listed": 2, "written": 2, "left_out": {}, "notes": {}})
    )
    sources, lines = run(capsys, shards)
    start = next(number for number, line in enumerate(lines) if line.startswith("lost in preparation"))
    assert [line.split() for line in lines[start : start + 8]] == [
        ["lost", "in", "preparation", "records", "share"],
        ["pairs,", "listed", "10"],
        ["left", "out", "7", "70.0%"],
        ["missing_media", "6", "60.0%"],
        ["web_page", "1", "10.0%"],
        ["noted:", "kept_as_text", "2"],
        ["talks,", "listed", "2"],
        ["left", "out", "0", "0.0%"],
    ]
    assert sources["sources"]["pairs"]["preparation"] == REPORT


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        json.dumps({**REPORT, "listed": "10"}),
        json.dumps({**REPORT, "left_out": {"a": None}}),
        "[" * 9999,
    ],
)
def test_a_file_that_is_no_report_is_told(shards, capsys, content):
    (shards / "pairs" / "report.json").write_text(content)
    with pytest.raises(UserError, match=r"report\.json is no "):
        report_of(shards / "pairs")
    assert stats.main([str(shards / "pairs" / "*.tar")]) == 2
    assert "away" in capsys.readouterr().err
    assert not (shards / "pairs" / "stats.json").exists()


def test_a_sample_follows_from_its_seed_and_says_how_large_it_is(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    records = [(f"{n:03d}", {"txt": b"x" * (n + 1)}) for n in range(200)]
    for number in range(4):
        write_index(write_shard(tmp_path / "a" / f"{number}.tar", records[50 * number : 50 * number + 50]))

    def lengths(seed: int) -> dict:
        sources, lines = run(capsys, tmp_path, "--sample", 40, "--seed", seed)
        assert sources["sources"]["a"]["sampled"] == 40
        assert any(line.startswith(f"sample of 40 records (seed {seed})") for line in lines)
        return sources["sources"]["a"]["quantities"]["caption_characters"]

    assert lengths(1) == lengths(1) != lengths(2)
    assert lengths(1)["count"] == 40
    assert 70 < lengths(1)["mean"] < 131  # of 1 to 200: 100.5, with a standard error of 8
    whole, _ = run(capsys, tmp_path)
    assert whole["sources"]["a"]["quantities"]["caption_characters"] == {
        "count": 200,
        "min": 1,
        "p5": pytest.approx(10.95),
        "median": 100.5,
        "mean": 100.5,
        "p95": pytest.approx(190.05),
        "max": 200,
    }


def test_sources_are_named_by_what_tells_their_folders_apart(tmp_path, capsys):
    for folder in ("x/train", "y/train", "y/val"):
        (tmp_path / folder).mkdir(parents=True)
        write_index(write_shard(tmp_path / folder / "0.tar", pair_records(2, media="bin")))
    out = tmp_path / "x" / "train"
    assert stats.main([str(tmp_path / "*" / "*" / "*.tar")]) == 0
    assert f"written: {out / 'stats.json'}, {out / 'stats.png'}" in capsys.readouterr().out
    assert list(json.loads((out / "stats.json").read_text())["sources"]) == ["x/train", "y/train", "y/val"]
    assert sorted(path.name for path in out.iterdir()) == ["0.tar", "0.tar.index.jsonl", "stats.json", "stats.png"]
    assert stats.main([str(tmp_path / "y" / "val" / "0.tar")]) == 0
    assert list(json.loads((tmp_path / "y" / "val" / "stats.json").read_text())["sources"]) == ["val"]


def test_shards_without_records(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    write_index(write_shard(tmp_path / "a" / "0.tar", []))
    sources, lines = run(capsys, tmp_path)
    assert sources["sources"]["a"]["records"] == sources["sources"]["a"]["sampled"] == 0
    assert "  languages  no text" in lines


def test_the_picture_has_a_panel_for_each_quantity(shards, capsys, monkeypatch):
    from matplotlib.axes import Axes

    titles, set_title = [], Axes.set_title
    monkeypatch.setattr(
        Axes, "set_title", lambda axis, text, **rest: (titles.append(text), set_title(axis, text, **rest))
    )
    sources, _ = run(capsys, shards)
    quantities = {title_of(name) for source in sources["sources"].values() for name in source["quantities"]}
    assert set(titles) == quantities | {"language of the text"}
    assert len(titles) == len(quantities) + 1 == 16
    with Image.open(shards / "out" / "stats.png") as picture:
        assert picture.format == "PNG"
        assert picture.width == 14 * 80
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50


def drawn_texts(figure):
    """(text, its box in pixels) of all titles, legends, and tick labels within their axes."""
    figure.draw_without_rendering()
    for axis in figure.axes:
        frame = axis.get_window_extent()
        yield axis.get_title(), axis.title.get_window_extent()
        for label in axis.get_xticklabels():
            box = label.get_window_extent()
            if axis.axison and frame.x0 - 1 <= (box.x0 + box.x1) / 2 <= frame.x1 + 1:
                yield label.get_text(), box
        for label in axis.get_yticklabels():
            box = label.get_window_extent()
            if axis.axison and frame.y0 - 1 <= (box.y0 + box.y1) / 2 <= frame.y1 + 1:
                yield label.get_text(), box
    for legend in figure.legends:
        yield from ((text.get_text(), text.get_window_extent()) for text in legend.get_texts())


def test_no_texts_of_the_picture_overlap(tmp_path, monkeypatch, record_property):
    """With many sources, many languages, and quantities that differ a millionfold."""
    from matplotlib.figure import Figure

    rng = np.random.default_rng(0)
    sources = {}
    for number in range(12):
        wide = {name: 10 ** rng.uniform(0, 6, 50) for name in ("caption_words", "image_width_px", "video_length_s")}
        narrow = {"dialogue_turns": rng.integers(1, 7, 50), "audio_sample_rate_hz": rng.integers(15_900, 48_000, 50)}
        values = {name: each.tolist() for name, each in (wide | narrow).items()}
        languages = {f"l{n}": n for n in range(1, 20)}
        sources[f"a source with quite a long name/{number}"] = Sampled(50, values, languages=Counter(languages))
    boxes = []
    savefig = Figure.savefig

    def measuring(figure, *arguments, **options):
        boxes.extend((text, box) for text, box in drawn_texts(figure) if text)
        return savefig(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", measuring)
    draw(tmp_path / "x.png", sources)
    record_property("found", f"{len(boxes)} texts of the picture held against each other")
    assert len(boxes) > 60
    overlapping = [
        (one, other)
        for number, (one, box) in enumerate(boxes)
        for other, again in boxes[:number]
        if box.x0 < again.x1 and again.x0 < box.x1 and box.y0 < again.y1 and again.y0 < box.y1
    ]
    assert not overlapping


@pytest.mark.parametrize(
    ("values", "first", "last", "num_bins", "by_factor"),
    [
        ([1, 2, 2, 5], 0.5, 5.5, 5, False),
        ([256], 255.5, 256.5, 1, False),
        ([9.5], 9.0, 10.0, 1, False),
        ([0.0, 2.5], 0.0, 2.5, BINS, False),
        ([1, 1, 1, 1000], 1, 1000, BINS, True),
        ([0, 99], -0.5, 101.5, 34, False),
    ],
)
def test_bins(values, first, last, num_bins, by_factor):
    edges, found_by_factor = edges_of(np.array(values, float))
    assert (edges[0], edges[-1]) == (pytest.approx(first), pytest.approx(last))
    assert (len(edges) - 1, found_by_factor) == (num_bins, by_factor)
    assert np.histogram(values, edges)[0].sum() == len(values)


def test_whole_numbers_that_are_spread_evenly_fill_all_bins_evenly():
    for largest in range(1, 400):
        values = np.arange(largest + 1.0)
        edges, _ = edges_of(values)
        counts = np.histogram(values, edges)[0]
        assert len(counts) <= BINS
        assert len(set(counts[:-1].tolist())) <= 1
        assert counts.sum() == len(values)


def test_quantities_are_titled_with_their_units_and_stand_in_order():
    assert title_of("video_frame_rate_hz") == "video frame rate (Hz)"
    assert title_of("image_width_px") == "image width (pixels)"
    assert title_of("audio_num_channels") == "audio channels"
    assert ordered(["audio_length_s", "image_width_px", "dialogue_turns", "caption_words"]) == [
        "caption_words",
        "dialogue_turns",
        "image_width_px",
        "audio_length_s",
    ]


def test_a_summary_is_that_of_sorted_values():
    assert summary([float(n) for n in range(101)][::-1]) == {
        "count": 101,
        "min": 0,
        "p5": 5,
        "median": 50,
        "mean": 50,
        "p95": 95,
        "max": 100,
    }


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a black dog in front of a plain white background", "en"),
        ("Eine Frau schneidet Gemüse in der Küche", "de"),
        ("deux chèvres sur un rocher", "fr"),
        ("duas cabras em uma rocha", "pt"),
        ("岩石上的两只山羊", "zh"),
        ("台所で野菜を切る女性", "ja"),
        ("바위 위의 염소 두 마리", "ko"),
        ("Sure.", UNSURE),
        ("IMG_2034.jpg", UNSURE),
        ("sunset", UNSURE),
        ("dos cabras en una roca", UNSURE),
        ("👍👍", UNSURE),
        (" ", UNSURE),
    ],
)
def test_languages(text, language):
    assert language_of(text) == language


def test_languages_are_counted_by_record(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    texts = ["deux chèvres sur un rocher"] * 3 + ["sunset"]
    write_index(write_shard(tmp_path / "a" / "0.tar", [(f"{n}", {"txt": t.encode()}) for n, t in enumerate(texts)]))
    sources, lines = run(capsys, tmp_path)
    assert sources["sources"]["a"]["languages"] == {"fr": 3, "unsure": 1}
    assert "  languages  fr 75.0%, unsure 25.0%" in lines


@pytest.mark.parametrize("package", ["py3langid", "matplotlib"])
def test_a_missing_package_is_told_with_the_command(shards, capsys, monkeypatch, package):
    found = util.find_spec
    monkeypatch.setattr("data_prep.looking.text.find_spec", lambda name: None if name == package else found(name))
    assert stats.main([str(shards / "*" / "*.tar")]) == 2
    assert f"needs {package}: run `python -m pip install -e '.[data]'`" in capsys.readouterr().err


def test_what_cannot_be_written_is_told_before_anything_is_read(shards, capsys):
    (shards / "file").write_text("")
    assert stats.main([str(shards / "*" / "*.tar"), "--out", str(shards / "file")]) == 2
    assert "cannot make the folder" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--sample", "0"], ["--sampel", "3"], ["--sample", "all"]])
def test_wrong_options_are_refused(options):
    with pytest.raises(SystemExit) as caught:
        stats.main(["x.tar", *options])
    assert caught.value.code == 2
