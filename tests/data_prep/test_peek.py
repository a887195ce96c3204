import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anyany.data.index import write_index
from anyany.media.clips import encode_mp4
from anyany.media.pictures import encode_jpeg
from anyany.media.sounds import encode_wav
from anyany.media.table import MEDIA, MediaSpec
from anyany.seeds import rng_of
from data_prep import peek
from data_prep.looking import sheets
from data_prep.looking.records import chosen, opened
from data_prep.looking.text import shown, size_of
from tests.data.shards import pair_records, write_shard

ROOT = Path(__file__).parents[2]
JPEG = encode_jpeg(torch.full((3, 16, 24), 200, dtype=torch.uint8))
MP4 = encode_mp4(torch.zeros(6, 3, 16, 32, dtype=torch.uint8), 12)
WAV = encode_wav(torch.zeros(12_000), 8000)
DIALOGUE = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is "},
                {"type": "image", "member": "0.jpg"},
                {"type": "text", "text": "for $5?"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "A goat."},
                {"type": "video", "member": "1.mp4", "caption": "it jumps"},
                {"type": "audio", "caption": "it bleats"},
            ],
        },
    ]
}
RECORDS = [
    ("pair", {"wav": WAV, "txt": b"a hum\nand a hiss", "json": b'{"caption": "not this"}'}),
    ("talk", {"json": json.dumps(DIALOGUE).encode(), "0.jpg": JPEG, "1.mp4": MP4}),
    ("torn", {"jpg": JPEG[:-40], "txt": b"cut off"}),
    ("odd", {"json": b"{nope"}),
    ("mute", {"json": json.dumps({"messages": DIALOGUE["messages"][1:]}).encode()}),
    ("sly", {"txt": "\x1b[31mred\x07 \u201eQuote\u201c".encode()}),
]


@pytest.fixture
def shard(tmp_path):
    path = write_shard(tmp_path / "00000.tar", RECORDS)
    write_index(path)
    return path


@pytest.fixture
def drawn(monkeypatch):
    """What is written under the tiles and inside of them."""
    from matplotlib.axes import Axes

    under, inside = [], []
    set_xlabel, text = Axes.set_xlabel, Axes.text

    def noting_label(axis, words, **options):
        under.append(words)
        return set_xlabel(axis, words, **options)

    def noting_text(axis, x, y, words, **options):
        inside.append(words)
        return text(axis, x, y, words, **options)

    monkeypatch.setattr(Axes, "set_xlabel", noting_label)
    monkeypatch.setattr(Axes, "text", noting_text)
    return under, inside


def lines_of(capsys, *arguments: object) -> list[str]:
    assert peek.main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out.splitlines()


def error_of(capsys, *arguments: object) -> str:
    assert peek.main([str(argument) for argument in arguments]) == 2
    return capsys.readouterr().err


def test_a_pair_is_shown_with_its_members_and_caption(shard, capsys):
    assert lines_of(capsys, shard, "--key", "pair") == [
        f"{shard}, record 0: pair",
        "  wav          24.0 kB  length s 1.5, sample rate hz 8,000, num channels 1",
        "  txt             16 B",
        "  json            23 B",
        "  caption    a hum",
        "             and a hiss",
        "",
        "1 of 6 records in 1 shards",
        "next: python -m data_prep.stats with the same shards counts them all",
    ]


def test_a_conversation_is_shown_turn_by_turn_with_media_in_their_places(shard, capsys):
    lines = lines_of(capsys, shard, "--key", "talk")
    assert lines[0] == f"{shard}, record 1: talk"
    assert lines[2].endswith("width px 24, height px 16")
    assert lines[3].endswith("width px 32, height px 16, length s 0.5, frame rate hz 12")
    assert lines[4:6] == [
        "  user       What is [image 0.jpg] for $5?",
        "  assistant  A goat. [video 1.mp4: it jumps] [audio by its caption alone: it bleats]",
    ]


@pytest.mark.parametrize(
    ("key", "fault", "still_shown"),
    [
        ("torn", "  FAULT broken_image jpg: picture of", "  caption    cut off"),
        ("odd", "  FAULT bad_json odd.json:", "  json             5 B"),
        ("mute", "  FAULT bad_messages message 0: an assistant message without", "  json           1"),
    ],
)
def test_a_fault_is_shown_beside_what_is_whole(shard, capsys, key, fault, still_shown):
    lines = lines_of(capsys, shard, "--key", key)
    assert any(line.startswith(fault) for line in lines)
    assert any(line.startswith(still_shown) for line in lines)


def test_a_record_behind_the_end_of_a_cut_shard_is_a_fault_of_that_record(tmp_path, capsys):
    path = write_shard(tmp_path / "00000.tar", [(f"{n}", {"txt": b"x" * 600}) for n in range(3)])
    index = Path(f"{path}.index.jsonl")
    write_index(path)
    size_bytes = path.stat().st_size
    with open(path, "r+b") as file:
        file.truncate(4096)  # in the third member, which lies at 3,584
    index.write_text(index.read_text().replace(f'"size_bytes": {size_bytes}', '"size_bytes": 4096'))
    lines = lines_of(capsys, path)
    assert [line for line in lines if "FAULT" in line] == [line for line in lines if "FAULT cut_off_shard" in line]
    assert sum("FAULT" in line for line in lines) == 1
    assert sum(line.startswith("  caption") for line in lines) == 2


def test_control_characters_do_not_reach_the_terminal(shard, capsys):
    lines = lines_of(capsys, shard, "--key", "sly")
    assert "  caption    \\x1b[31mred\\x07 \u201eQuote\u201c" in lines


def test_a_long_caption_is_cut_and_says_by_how_much(tmp_path, capsys):
    path = write_shard(tmp_path / "00000.tar", [("long", {"txt": b"word " * 19_999 + b"word!"})])
    write_index(path)
    text = "\n".join(lines_of(capsys, path))
    assert text.count("word") == 400
    assert "(98,000 more" in text


def test_the_first_records_or_others_by_a_seed(tmp_path, capsys):
    for number in range(2):
        path = write_shard(tmp_path / f"{number}.tar", pair_records(30, first=30 * number, media="bin"))
        write_index(path)

    def keys(*options: object) -> list[str]:
        lines = lines_of(capsys, tmp_path / "*.tar", *options)
        assert lines[-2] == f"{sum(', record ' in line for line in lines)} of 60 records in 2 shards"
        return [line.rpartition(" ")[2] for line in lines if ", record " in line]

    assert keys() == [f"{n:09d}" for n in range(8)]
    assert keys("--num", 32) == [f"{n:09d}" for n in range(32)]
    assert keys("--num", 99) == [f"{n:09d}" for n in range(60)]
    assert keys("--num", 9, "--seed", 1) == keys("--num", 9, "--seed", 1) == sorted(keys("--num", 9, "--seed", 1))
    assert keys("--num", 9, "--seed", 1) != keys("--num", 9, "--seed", 2)


def test_records_are_drawn_from_all_shards_each_once(tmp_path):
    sizes = (3, 0, 5, 1)
    for number, size in enumerate(sizes):
        write_index(write_shard(tmp_path / f"{number}.tar", pair_records(size)))
    headers = opened([str(tmp_path / "*.tar")])
    everything = [(header.url, index) for header in headers for index in range(header.num_records)]
    assert len(everything) == sum(sizes)
    assert chosen(headers, 100, None) == chosen(headers, 9, rng_of("x")) == everything
    counts = dict.fromkeys(everything, 0)
    for seed in range(300):
        places = chosen(headers, 3, rng_of("x", seed))
        assert len(set(places)) == 3
        for place in places:
            counts[place] += 1
    assert min(counts.values()) > 60  # 100 each are expected
    assert chosen([], 5, None) == []


def test_a_sheet_has_a_tile_for_each_medium_and_each_text(shard, tmp_path, capsys, drawn):
    sheet = tmp_path / "new" / "sheet.png"
    lines = lines_of(capsys, shard, "--sheet", sheet)
    assert f"written: {sheet}" in lines
    under, inside = drawn
    names = ["pair.wav", "talk.0.jpg", "talk.1.mp4", "torn.jpg", "odd", "mute", "sly"]
    assert [words.split("\n")[0] for words in under] == names
    assert under[0].split("\n")[1:] == ["a hum and a hiss"]
    assert " ".join(under[1].split()[1:]).startswith("user: What is [image 0.jpg] for $5? assistant: A goat.")
    assert [words.split(":")[0] for words in inside] == ["broken_image", "bad_json", "bad_messages", "text alone"]
    with Image.open(sheet) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] == 15 * 80
    assert (pixels == 200).all(2).sum() > 5_000  # the grey picture


def test_what_is_one_row_of_the_table_of_media_is_drawn():
    assert sheets.DRAWINGS.keys() == MEDIA.keys()


@pytest.mark.parametrize(
    ("modality", "decoded"),
    [
        ("image", torch.zeros(3, 1, 3_000, dtype=torch.uint8)),
        ("image", torch.zeros(3, 4_000, 3_000, dtype=torch.uint8)),
        ("video", torch.zeros(8, 3, 720, 1280, dtype=torch.uint8)),
        ("video", torch.zeros(8, 3, 32, 18, dtype=torch.uint8)),
        ("audio", torch.zeros(1)),
        ("audio", torch.zeros(16_000)),
        ("audio", torch.zeros(16_000 * 600)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_media_of_odd_forms_are_drawn_small(modality, decoded):
    from matplotlib import pyplot

    figure, axis = pyplot.subplots()
    sheets.draw_media(axis, modality, decoded, MediaSpec())
    figure.canvas.draw()
    height, width = axis.images[0].get_array().shape[:2]
    pyplot.close(figure)
    assert width <= 8 * 640
    assert height <= 8 * 640


def test_a_large_picture_is_averaged_down():
    checked = np.indices((1_280, 640)).sum(0) % 2 * 200
    small = sheets._smaller(np.stack([checked] * 3).astype(np.uint8))
    assert small.shape == (3, 320, 160)
    assert (small == 100).all()


def test_too_many_tiles_are_refused(shard, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sheets, "MAX_TILES", 6)
    assert "a sheet of 7 tiles; at most 6 fit" in error_of(capsys, shard, "--sheet", tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--key", "nobody"], "no record 'nobody' in 1 shards, whose keys are like 'pair'"),
        (["--sheet", "{folder}/00000.tar/x.png"], "cannot make the folder"),
    ],
)
def test_what_cannot_be_done_is_told(shard, capsys, options, told):
    assert told in error_of(capsys, shard, *(option.format(folder=shard.parent) for option in options))


def test_shards_that_cannot_be_looked_at(tmp_path, capsys):
    bare = write_shard(tmp_path / "bare.tar", pair_records(1))
    assert "no index beside" in error_of(capsys, bare)
    assert "matches nothing" in error_of(capsys, tmp_path / "no*.tar")
    assert "https://" in error_of(capsys, "https://example.org/00000.tar")
    Path(f"{bare}.index.jsonl").write_text("{}\n")
    assert "not an index" in error_of(capsys, bare)


@pytest.mark.parametrize(
    "options", [["--num", "0"], ["--sheet", "x.jpg"], ["--key", "a", "--seed", "1"], ["--see", "1"]]
)
def test_wrong_options_are_refused(options, capsys):
    with pytest.raises(SystemExit) as caught:
        peek.main(["x.tar", *options])
    assert caught.value.code == 2


def test_who_has_seen_enough_may_close_the_pipe(tmp_path):
    path = write_shard(tmp_path / "00000.tar", [(f"{n}", {"txt": b"word " * 400}) for n in range(200)])
    write_index(path)
    command = [sys.executable, "-m", "data_prep.peek", str(path), "--num", "200"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_help_waits_for_no_heavy_package():
    heavy = "{'torch', 'av', 'rich', 'matplotlib', 'py3langid'}"
    code = f"import sys, data_prep.peek, data_prep.stats; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("num_bytes", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (45_120, "45.1 kB"),
        (2_000_000_000, "2.0 GB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes_in_bytes(num_bytes, told):
    assert size_of(num_bytes) == told


def test_half_a_character_can_be_printed():
    assert shown("a\ud800b\r\n", 10).encode() == b"a\\ud800b\\r\n"
