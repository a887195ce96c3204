"""What all sources share: keys, lists, files, shards, parts, reports."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anyany.faults import UserError
from data_prep import alpaca, nextgpt, webvid
from data_prep.preparation import rows, shards
from data_prep.preparation.drafts import LeftOut, safe_key
from data_prep.preparation.lists import read_csv, read_json, read_tsv
from data_prep.preparation.media_folder import MediaFolders
from tests.data_prep.sources import JPEG, MEDIA, records, report, write

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pairs(tmp_path):
    """25 pairs, of which number 3 has no picture and number 7 no caption."""
    entries = [{"image_name": f"{n:04d}.jpg", "caption": "" if n == 7 else f"caption {n}"} for n in range(25)]
    for n in range(25):
        if n != 3:
            write(tmp_path / "images" / f"{n:04d}.jpg", JPEG)
    return ["--list", str(write(tmp_path / "cc3m.json", entries)), "--media", str(tmp_path / "images"), "--shard", "10"]


def run(tmp_path, *arguments: str, out="out"):
    status = nextgpt.main([*arguments, "--out", str(tmp_path / out), "--workers", "1"])
    assert status == 0
    return tmp_path / out


@pytest.mark.parametrize(
    "name", ["a/b", "a.b", "..", "../../etc/passwd", "/abs", "a b", "ünïcödé", "", "x" * 200, "a\0b"]
)
def test_keys_are_plain_names(name):
    key = safe_key(name)
    assert key.isascii()
    assert 0 < len(key) <= 80
    assert not set(key) & set("./\\ \0")


def test_different_names_keep_different_keys_and_plain_ones_stay():
    names = ["a/b", "a.b", "a_b", "a b", "A_b", "x" * 81, "x" * 82, "", "ä", "ö"]
    assert len({safe_key(name) for name in names}) == len(names)
    assert safe_key("000000042") == "000000042"
    assert safe_key("-Ab_9") == "-Ab_9"


def test_shards_hold_what_was_listed_and_tell_what_was_not(pairs, tmp_path, capsys):
    out = run(tmp_path, *pairs)
    found = records(out)
    assert sorted(found) == [f"{n:04d}" for n in range(25) if n not in (3, 7)]
    assert found["0004"] == {"jpg": JPEG, "txt": b"caption 4"}
    assert [path.name for path in sorted(out.rglob("*.tar"))] == [f"nextgpt-0000{n}.tar" for n in range(3)]
    told = report(out)
    assert (told["listed"], told["written"]) == (25, 23)
    assert told["left_out"] == {"empty_caption": 1, "missing_media": 1}
    text = capsys.readouterr().out
    assert "2 (8.0%)" in text
    assert "python -m data_prep.verify" in text
    entries = [entry for path in sorted(out.rglob("*.tar.report.json")) for entry in read_report(path)["entries"]]
    assert [(e["list"], e["number"], e["kind"]) for e in entries] == [
        ("cc3m.json", 3, "missing_media"),
        ("cc3m.json", 7, "empty_caption"),
    ]


def read_report(path):
    (content,) = read_json(write(path.with_suffix(".list"), f"[{path.read_text()}]"))
    return content


def test_again_it_writes_nothing_and_after_a_stop_what_is_missing(pairs, tmp_path):
    out = run(tmp_path, *pairs)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("*.tar")}
    run(tmp_path, *pairs)
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("*.tar")}
    for number, suffix in enumerate((".index.jsonl", ".report.json", "")):
        Path(f"{out / 'train' / f'nextgpt-0000{number}.tar'}{suffix}").unlink()
    run(tmp_path, *pairs)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("*.tar")}
    assert [data for data, _ in after.values()] == [data for data, _ in before.values()]
    assert all(after[path][1] > before[path][1] for path in before)
    assert not list(out.rglob("*.tmp"))


@pytest.mark.parametrize("fails_in", ["TarWriter.write", "write_json", "write_index"])
def test_a_crash_leaves_no_half_shard(pairs, tmp_path, monkeypatch, fails_in):
    """Whichever file is being written when it ends, the shard does not count as written."""

    def crash(*args, **kwargs):
        raise OSError("no space left")

    place = {"TarWriter.write": "webdataset.TarWriter.write", "write_index": "anyany.data.index.write_index"}
    entries = list(read_json(Path(pairs[1])))
    offered = tuple(rows._row(nextgpt.NEXTGPT, entry, "", "cc3m.json", n)[0] for n, entry in enumerate(entries))
    job = shards.Job(str(tmp_path / "a.tar"), offered)
    with monkeypatch.context() as patch:
        patch.setattr(place.get(fails_in, "data_prep.preparation.shards.write_json"), crash)
        with pytest.raises(OSError, match="no space"):
            shards.write_shard(job, nextgpt.record, MediaFolders((pairs[3],)), False)
    assert not shards.is_written(job.path)
    assert not list(tmp_path.glob("*.tmp"))
    if fails_in != "write_index":
        assert not Path(job.path).exists()
    shards.write_shard(job, nextgpt.record, MediaFolders((pairs[3],)), False)
    assert shards.is_written(job.path)


def test_parts_join_to_the_whole(pairs, tmp_path, capsys):
    whole = run(tmp_path, *pairs)
    run(tmp_path, *pairs, "--part", "2/2", out="parts")
    assert "next: the other parts, 2 shards are not there yet" in capsys.readouterr().out
    assert report(tmp_path / "parts")["shards"] == 1
    parts = run(tmp_path, *pairs, "--part", "1/2", out="parts")
    files = [{path.name: path.read_bytes() for path in out.rglob("*.tar")} for out in (whole, parts)]
    assert files[0] == files[1]
    assert report(whole) == report(parts)


def test_processes_write_the_same_bytes(pairs, tmp_path):
    whole = run(tmp_path, *pairs)
    arguments = [sys.executable, "-m", "data_prep.nextgpt", *pairs, "--out", str(tmp_path / "two"), "--workers", "2"]
    subprocess.run(arguments, check=True, cwd=ROOT, capture_output=True)
    assert records(whole) == records(tmp_path / "two")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_what_is_stopped_goes_on_to_the_same_shards(tmp_path, sent):
    write(tmp_path / "images" / "a.jpg", JPEG)
    entries = [{"input_image": "a.jpg", "conversations": turns(n)} for n in range(200)]
    listed = write(tmp_path / "l.json", entries)
    pairs = ["--list", str(listed), "--media", str(tmp_path / "images"), "--shard", "1"]
    whole = run(tmp_path, *pairs)
    out = tmp_path / "stopped"
    arguments = [sys.executable, "-m", "data_prep.nextgpt", *pairs, "--out", str(out), "--workers", "2"]
    process = subprocess.Popen(
        arguments,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background ignores it
    )
    until = time.monotonic() + 60
    while not list(out.rglob("*.index.jsonl")) and time.monotonic() < until:
        time.sleep(0.001)
    os.killpg(process.pid, sent)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[sent], message
    assert sent == signal.SIGKILL or "the same command goes on" in message
    written = list(out.rglob("*.index.jsonl"))
    assert 0 < len(written) < 200
    assert records(run(tmp_path, *pairs, out="stopped")) == records(whole)


def turns(number: int) -> list[dict]:
    return [{"from": "human", "value": f"<image> {number}?"}, {"from": "gpt", "value": "Yes."}]


def test_val_takes_its_share_and_holds_groups_together(tmp_path):
    """Five rows describe each clip; a clip is in one split with all of them."""
    lines = [f'{clip * 5 + n},{clip}x,"caption, {n}"' for clip in range(200) for n in range(5)]
    listed = write(tmp_path / "list.csv", "videoid,group,name\n" + "\n".join(lines))
    grouped = rows.Preparation("x", webvid.entries, lambda e: (e["videoid"], e["group"]), webvid.record)
    options = webvid.parser_of_pairs("webvid", "", "").parse_args(["--list", str(listed), "--val", "0.2"])
    splits = {}
    for split, row in rows.rows_of(grouped, options):
        splits.setdefault(row.data["group"], set()).add(split)
    assert all(len(found) == 1 for found in splits.values())
    share = sum(found == {"val"} for found in splits.values()) / len(splits)
    assert 0.1 < share < 0.3  # 200 draws of 0.2: six standard deviations are 0.17


def test_keys_that_come_twice_are_left_out(tmp_path):
    entries = [{"image_name": name, "caption": f"c{n}"} for n, name in enumerate(("a.jpg", "b.jpg", "a.jpg"))]
    write(tmp_path / "images" / "a.jpg", JPEG)
    write(tmp_path / "images" / "b.jpg", JPEG)
    listed = write(tmp_path / "l.json", entries)
    out = run(tmp_path, "--list", str(listed), "--media", str(tmp_path / "images"))
    assert {key: members["txt"] for key, members in records(out).items()} == {"a": b"c0", "b": b"c1"}
    assert report(out)["left_out"] == {"duplicate_key": 1}


def test_other_arguments_do_not_mix(pairs, tmp_path, capsys):
    out = run(tmp_path, *pairs)
    other = [*pairs[:-1], "5", "--out", str(out), "--workers", "1"]
    assert nextgpt.main(other) == 2
    assert "shard: 10, now 5" in capsys.readouterr().err
    assert nextgpt.main([*other, "--force"]) == 0
    assert len(list(out.rglob("*.tar"))) == 5


def test_shards_of_others_stay(pairs, tmp_path, capsys):
    strange = write(tmp_path / "out" / "train" / "00000.tar", b"bytes")
    assert nextgpt.main([*pairs, "--out", str(tmp_path / "out"), "--force"]) == 2
    assert "were not written here" in capsys.readouterr().err
    assert strange.read_bytes() == b"bytes"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--list names no file"),
        (["--list", "nowhere.json"], "there is no nowhere.json"),
        (["--list", __file__, "--shard", "0"], "expected at least 1"),
        (["--list", __file__, "--val", "1"], "a share from 0 to below 1"),
        (["--list", __file__, "--part", "1/2", "--force"], "--force with --part"),
        (["--list", __file__], "is no JSON"),
    ],
)
def test_misuse_is_told(arguments, message, tmp_path, capsys):
    assert nextgpt.main([*arguments, "--out", str(tmp_path), "--workers", "1"]) == 2
    assert message in capsys.readouterr().err


def test_names_of_several_lists_tell_their_records_apart(tmp_path):
    write(tmp_path / "images" / "a.jpg", JPEG)
    entries = [{"image_name": "a.jpg", "caption": "c"}, {"input_image": "a.jpg", "conversations": turns(0)}]
    lists = [str(write(tmp_path / name, entries)) for name in ("part.1.json", "part.2.json")]
    out = run(tmp_path, "--list", *lists, "--media", str(tmp_path / "images"))
    keys = sorted(records(out))
    assert len(keys) == 4
    assert all(key.startswith(("part_1-", "part_2-")) for key in keys)
    other = str(write(tmp_path / "other" / "part.1.json", entries))
    assert nextgpt.main(["--list", lists[0], other, "--out", str(tmp_path / "x"), "--workers", "1"]) == 2


def test_a_list_without_entries_is_told(tmp_path, capsys):
    listed = write(tmp_path / "l.json", [])
    assert nextgpt.main(["--list", str(listed), "--out", str(tmp_path / "o"), "--workers", "1"]) == 2
    assert "no entries in" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "1/-2"])
def test_parts_that_are_none(text, capsys):
    with pytest.raises(SystemExit):
        alpaca.main(["--part", text])
    assert "give i/n" in capsys.readouterr().err


MODULES = ("cc3m", "webvid", "audiocaps", "nextgpt", "alpaca", "llava", "videochat", "t2m", "mosit")


@pytest.mark.parametrize("module", MODULES)
def test_help_answers_without_heavy_imports(module):
    code = f"import sys; from data_prep import {module} as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    code += "heavy = {'torch', 'av', 'transformers', 'webdataset'} & set(sys.modules); assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert f"python -m data_prep.{module}" in done.stdout


def test_csv_with_quotes_a_long_cell_and_a_short_row(tmp_path):
    long = "x" * 200_000
    path = write(tmp_path / "l.csv", f'\ufeffvideoid,name\n1,"a ""b"", c\nd"\n\n2,{long}\n3\n')
    rows = list(read_csv(path, ("videoid", "name")))
    assert rows[:2] == [{"videoid": "1", "name": 'a "b", c\nd'}, {"videoid": "2", "name": long}]
    assert isinstance(rows[2], LeftOut)
    assert len(rows) == 3


def test_a_table_without_quoting_takes_quotes_as_text(tmp_path):
    rows = list(read_tsv(write(tmp_path / "l.tsv", 'a "b\thttp://x\nonly one\nc"\thttp://y\r\n'), ("caption", "url")))
    assert rows[0] == {"caption": 'a "b', "url": "http://x"}
    assert rows[2] == {"caption": 'c"', "url": "http://y"}
    assert isinstance(rows[1], LeftOut)


@pytest.mark.parametrize(
    ("name", "content", "read", "message"),
    [
        ("l.csv", "a,b\n1,2\n", lambda p: read_csv(p, ("videoid",)), "no column videoid: its first line holds a, b"),
        ("l.csv", "", lambda p: read_csv(p, ("videoid",)), "holds nothing"),
        ("l.csv", b"name\n\xff\xfe", lambda p: read_csv(p, ("name",)), "no UTF-8"),
        ("l.tsv", b"\xff\t\n", lambda p: read_tsv(p, ("a", "b")), "no UTF-8"),
        ("l.json", "{", read_json, "is no JSON"),
        ("l.json", "{}", read_json, "holds a dict, expected a list"),
        ("l.json", "[" * 100_000, read_json, "is no JSON"),
    ],
)
def test_lists_that_are_none(tmp_path, name, content, read, message):
    with pytest.raises(UserError, match=message):
        list(read(write(tmp_path / name, content)))


def test_json_lines(tmp_path):
    first, second, third = read_json(write(tmp_path / "l.jsonl", '{"a": 1}\n{"a": \n\n{"a": 2}\n'))
    assert (first, third) == ({"a": 1}, {"a": 2})
    assert isinstance(second, LeftOut)


@pytest.mark.parametrize("modality", MEDIA)
def test_media_are_found_by_name_stem_and_first_bytes(modality, tmp_path):
    extension, data = MEDIA[modality]
    write(tmp_path / "a" / f"one.{extension}", data)
    write(tmp_path / "b" / "two", data)
    write(tmp_path / "b" / f"THREE.{extension.upper()}", data)
    write(tmp_path / "b" / f"id_5_15.{extension}", data)
    folders = MediaFolders((str(tmp_path / "a"), str(tmp_path / "b")))
    for name in (f"one.{extension}", "one", "two", f"THREE.{extension.upper()}", "id_5_*"):
        assert folders.read(modality, "nothing", name) == (extension, data), name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("absent.jpg", "missing_media"),
        ("https://host/1.jpg", "missing_media"),
        ("../secret.jpg", "unsafe_name"),
        ("/etc/passwd", "unsafe_name"),
        ("a\0.jpg", "unsafe_name"),
        ("", "unsafe_name"),
        ("empty.jpg", "empty_file"),
        ("page.jpg", "not_media"),
        ("answer.jpg", "not_media"),
        ("noise", "not_media"),
        ("folder", "missing_media"),
        ("none_*", "missing_media"),
    ],
)
def test_files_that_are_no_media(name, kind, tmp_path):
    write(tmp_path / "secret.jpg", JPEG)
    root = tmp_path / "root"
    for file, data in {"empty.jpg": b"", "page.jpg": b"\n <!DOCTYPE html>", "answer.jpg": b'{"e": 1}'}.items():
        write(root / file, data)
    write(root / "noise", b"\x01\x02\x03" * 9)
    (root / "folder").mkdir()
    with pytest.raises(LeftOut) as caught:
        MediaFolders((str(root),)).read("image", name)
    assert caught.value.kind == kind
