import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from anyany.data.index import write_index
from anyany.data.scan import scan_shard
from anyany.media import table
from data_prep import verdicts, verify
from tests.data.shards import write_shard, write_tar
from tests.data.stream_shards import FAULTY, jpeg, write_stream_shards

HTML = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"


def sound() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(800) / 9), 16_000, format="FLAC")
    return file.getvalue()


def clip() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8, width=16, height=16)
        stream.pix_fmt = "yuv420p"
        for n in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((16, 16, 3), 40 * n, np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def talk(*media: tuple[str, str], roles: tuple[str, ...] = ("user", "assistant")) -> bytes:
    """A conversation whose first message shows (modality, member)."""
    shown = [{"type": modality, "member": member} for modality, member in media]
    messages = [{"role": role, "content": [{"type": "text", "text": "so"}]} for role in roles]
    messages[0]["content"] += shown
    return json.dumps({"messages": messages}).encode()


TWO = (("image", "0.jpg"), ("image", "1.jpg"))
# key -> members, and kind and member of the fault
GOOD = {
    "pair": {"jpg": jpeg(0), "txt": b"a", "json": b'{"url": "x"}'},
    "clip": {"mp4": clip(), "json": b'{"caption": "a"}'},
    "both": {"mp4": clip(), "flac": sound(), "txt": b"a"},
    "talk": {"json": talk(*TWO), "0.jpg": jpeg(1), "1.jpg": jpeg(2)},
    "heard": {"json": talk(("audio", "0.mp4")), "0.mp4": sound()},
    "shown": {"json": talk(("image", "0.bin")), "0.bin": jpeg(3)},
    "words": {"json": talk()},
    "alone": {"txt": b"a caption alone"},
    "other": {"jpg": jpeg(4), "txt": b"a", "seg.npy": b"?", "scene.json": b"{]"},
}
BAD = {
    "cut": ({"jpg": jpeg(0)[:200], "txt": b"a"}, "broken_image", "jpg"),
    "html": ({"txt": b"a", "json": b"{}", "jpg": HTML}, "broken_image", "jpg"),
    "clip-html": ({"mp4": HTML, "txt": b"a"}, "broken_video", "mp4"),
    "clip-cut": ({"txt": b"a", "mp4": clip()[:-400]}, "broken_video", "mp4"),
    "silent": ({"wav": b"", "txt": b"a"}, "empty_audio", "wav"),
    "second": ({"mp4": clip(), "flac": HTML, "txt": b"a"}, "broken_audio", "flac"),
    "empty": ({"jpg": jpeg(0), "txt": b" \n", "json": b'{"caption": "a"}'}, "empty_caption", "txt"),
    "null": ({"jpg": jpeg(0), "json": b'{"caption": null}'}, "empty_caption", "json"),
    "latin": ({"jpg": jpeg(0), "txt": b"caf\xe9"}, "bad_text", "txt"),
    "json": ({"jpg": jpeg(0), "json": b"{]"}, "bad_json", "json"),
    "json-beside": ({"jpg": jpeg(0), "txt": b"a", "json": b"{]"}, "bad_json", "json"),
    "list": ({"jpg": jpeg(0), "json": b"[1]"}, "bad_json", "json"),
    "no-words": ({"png": HTML, "jpg": jpeg(0)}, "missing_member", "png"),
    "no-media": ({"0.jpg": jpeg(0), "json": talk(*TWO)}, "missing_member", "json"),
    "twice": ({"json": talk(roles=("user", "user"))}, "bad_messages", "json"),
    "path": ({"json": talk(("image", "0.jpg")).replace(b"member", b"path")}, "bad_messages", "json"),
    "talk-html": ({"json": talk(*TWO), "0.jpg": jpeg(0), "1.jpg": HTML}, "broken_image", "1.jpg"),
    "unnamed": ({"json": talk(), "0.jpg": HTML}, "broken_image", "0.jpg"),
    "unheard": ({"json": talk(("audio", "0.mp4")), "0.mp4": clip()}, "broken_audio", "0.mp4"),
}


def indexed(path: Path, records) -> Path:
    write_index(write_shard(path, records), force=True)
    return path


def run(*arguments: object) -> int:
    return verify.main([*map(str, arguments), *([] if "--workers" in arguments else ["--workers", "1"])])


def listed(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kinds(path: Path) -> dict[str, str]:
    return {bad["key"]: bad["kind"] for shard in listed(path) for bad in shard["bad"]}


@pytest.fixture
def stream(tmp_path) -> Path:
    """Nine shards; ``num_bad`` of their 90 records are bad."""
    return write_stream_shards(tmp_path / "stream")


# A picture that is missing from a pair leaves a caption alone.
STREAM_BAD = {f"pair{n:04d}": kind for n, kind in FAULTY.items() if kind != "missing_member"}


def test_every_kind_of_fault_is_found_where_it_is(tmp_path, capsys):
    records = [*GOOD.items(), *((key, members) for key, (members, _, _) in BAD.items())]
    shard = indexed(tmp_path / "a.tar", records)
    assert run(shard, "--drop-list", tmp_path / "bad.jsonl") == 0
    with tarfile.open(shard) as tar:
        offsets = {member.name: member.offset_data for member in tar}
    [found] = listed(tmp_path / "bad.jsonl")
    assert (found["name"], found["num_records"]) == ("a.tar", len(GOOD) + len(BAD))
    assert found["digest"] == scan_shard(shard).header.digest
    assert {bad["key"]: (bad["kind"], bad["byte"]) for bad in found["bad"]} == {
        key: (kind, offsets[f"{key}.{member}"]) for key, (_, kind, member) in BAD.items()
    }
    assert [bad["record"] for bad in found["bad"]] == list(range(len(GOOD), len(GOOD) + len(BAD)))
    assert all(bad["message"] for bad in found["bad"])
    report = capsys.readouterr().out
    assert f"bad            {len(BAD)} (67.86%)\n" in report  # 19 of 28
    assert "\n  broken_image         4\n" in report
    assert "captions alone 1 " in report
    assert "unknown        1 0.bin, 1 scene.json, 1 seg.npy\n" in report
    assert f"a.tar, record 9 (cut), byte {offsets['cut.jpg']}: broken_image, picture of 200 bytes" in report
    assert "  and 14 more: <shard>.verified.json holds all\n" in report


@pytest.mark.parametrize(("options", "wanted"), [([], {"b": "broken_image"}), (["--need-media"], None)])
def test_captions_alone_are_bad_where_media_are_needed(options, wanted, tmp_path, capsys):
    pairs = [("a", {"txt": b"kept as text"}), ("b", {"jpg": HTML, "txt": b"c"}), ("c", {"jpg": jpeg(0), "txt": b"c"})]
    shard = indexed(tmp_path / "a.tar", pairs)
    wanted = wanted or {"a": "caption_alone", "b": "broken_image"}
    assert run(shard, "--drop-list", tmp_path / "drops.jsonl", *options) == 0
    assert kinds(tmp_path / "drops.jsonl") == wanted
    assert f"bad            {len(wanted)} " in capsys.readouterr().out


def test_a_shard_that_is_cut_off_meanwhile_is_bad_behind_the_cut(tmp_path):
    shard = indexed(tmp_path / "a.tar", [(f"k{n}", {"txt": b"a", "jpg": jpeg(n)}) for n in range(4)])
    members = scan_shard(shard).members
    os.truncate(shard, members[2]["jpg"][0] + 100)
    assert verdicts.verify_shard(str(shard)) == 4
    [found] = listed(Path(verdicts.verdict_name(str(shard))))
    places = [(bad["record"], bad["kind"], bad["byte"]) for bad in found["bad"]]
    assert places == [(2, "cut_off_shard", members[2]["jpg"][0]), (3, "cut_off_shard", members[3]["txt"][0])]


def test_a_shard_that_was_indexed_cut_off_is_told(tmp_path, capsys):
    shard = write_shard(tmp_path / "a.tar", [(f"k{n}", {"txt": b"a", "jpg": jpeg(n)}) for n in range(4)])
    os.truncate(shard, scan_shard(shard).members[2]["jpg"][0] + 100)
    write_index(shard)
    assert run(shard) == 1
    report = capsys.readouterr().out
    assert "records        3\nbad            0 (0.00%)\n" in report
    assert f"cut off        1: {shard}\nnext: mend the shards" in report
    assert run(shard, "--drop-list", tmp_path / "bad.jsonl") == 0


def test_finished_shards_are_passed_over(stream, tmp_path, capsys):
    shards = sorted(stream.glob("*.tar"))
    bytes_before = {path: path.read_bytes() for path in stream.iterdir()}
    assert run(stream / "*.tar") == 1
    report = capsys.readouterr().out
    assert "shards         9: 9 looked at now, 0 before\nrecords        90\nbad            2 (2.22%)\n" in report
    assert "--drop-list FILE" in report.splitlines()[-1]
    verdict_of = {shard: Path(verdicts.verdict_name(str(shard))) for shard in shards}
    written = {shard: path.read_bytes() for shard, path in verdict_of.items()}
    verdict_of[shards[3]].unlink()  # as if stopped before it
    verdict_of[shards[5]].write_text(verdict_of[shards[5]].read_text()[:-9])
    verdict_of[shards[6]].write_bytes(written[shards[7]])
    kept = {shard: path.stat().st_ino for shard, path in verdict_of.items() if path.exists()}
    assert run(stream / "*.tar") == 1
    assert "shards         9: 3 looked at now, 6 before\nrecords        90\n" in capsys.readouterr().out
    assert {shard: path.read_bytes() for shard, path in verdict_of.items()} == written
    same = [n for n, shard in enumerate(shards) if shard in kept and verdict_of[shard].stat().st_ino == kept[shard]]
    assert same == [0, 1, 2, 4, 7, 8]
    assert run(stream / "*.tar", "--force") == 1
    assert "9: 9 looked at now, 0 before" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in bytes_before} == bytes_before
    assert len(list(stream.iterdir())) == 3 * 9  # nothing temporary is left


def test_a_shard_that_was_written_anew_is_looked_at_again(tmp_path, capsys):
    bad, good = {"jpg": jpeg(0)[::-1], "txt": b"a"}, {"jpg": jpeg(0), "txt": b"a"}
    shard = indexed(tmp_path / "a.tar", [("k", bad)])
    assert run(shard) == 1
    indexed(shard, [("k", bad), ("l", good)])
    assert run(shard) == 1
    digest = scan_shard(shard).header.digest
    indexed(shard, [("k", good), ("l", good)])  # as large, and the times in the tar are the same
    assert scan_shard(shard).header.digest == digest
    verdict = Path(verdicts.verdict_name(str(shard)))
    os.utime(verdict, (0, shard.stat().st_mtime - 1))
    capsys.readouterr()
    assert run(shard) == 0
    assert "1: 1 looked at now" in capsys.readouterr().out


def test_parts_and_processes_come_to_one_list(stream, tmp_path, capsys):
    for number in (1, 2):
        assert run(stream / "*.tar", "--part", f"{number}/2") == 0
        report = capsys.readouterr().out
        assert f"shards         {(5, 4)[number - 1]}: " in report
        assert "when all 2 parts are done" in report.splitlines()[-1]
        assert len(list(stream.glob("*.verified.json"))) == (5, 9)[number - 1]
    assert run(stream / "talk*", "--part", "4/4") == 2  # the index files match too
    assert run(stream / "talk*.tar", "--part", "4/4") == 0  # a part without shards
    assert run(stream / "*.tar", "--drop-list", tmp_path / "parts.jsonl") == 0
    out = capsys.readouterr().out
    assert "9: 0 looked at now, 9 before" in out
    assert f"`drop_list: {tmp_path / 'parts.jsonl'}` in a source" in out.splitlines()[-1]
    assert run(stream / "*.tar", "--drop-list", tmp_path / "two.jsonl", "--force", "--workers", 2) == 0
    assert "9: 9 looked at now, 0 before" in capsys.readouterr().out
    assert (tmp_path / "two.jsonl").read_bytes() == (tmp_path / "parts.jsonl").read_bytes()
    names = [shard["name"] for shard in listed(tmp_path / "two.jsonl")]
    assert names == [f"pairs-{n:03d}.tar" for n in range(6)] + [f"talk-{n:03d}.tar" for n in range(3)]
    assert kinds(tmp_path / "two.jsonl") == STREAM_BAD


def test_good_shards_end_with_zero(tmp_path, capsys):
    shard = indexed(tmp_path / "a.tar", GOOD.items())
    assert run(shard) == 0
    report = capsys.readouterr().out
    assert "bad            0 (0.00%)\n" in report
    assert report.endswith("next: name these shards in a source (conf/source)\n")


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ValueError("a bug"), MemoryError()])
def test_what_is_no_fault_of_the_data_surfaces_with_its_place(stream, monkeypatch, error):
    def decode(data, spec):
        raise error

    monkeypatch.setitem(table.MEDIA, "image", replace(table.MEDIA["image"], decode=decode))
    with pytest.raises(type(error)) as raised:
        run(stream / "pairs-002.tar")
    assert raised.value.__notes__ == [f"while looking at record 0 ('pair0020') of {stream / 'pairs-002.tar'}"]
    assert list(stream.glob("*.verified*")) == []


def test_one_member_is_held_at_a_time(tmp_path, monkeypatch):
    read = verdicts.RecordReader.read
    sizes = []

    def noting(self, source, url, index, only=None):
        record = read(self, source, url, index, only)
        sizes.append(sorted(record.members))
        return record

    monkeypatch.setattr(verdicts.RecordReader, "read", noting)
    assert run(indexed(tmp_path / "a.tar", [("talk", GOOD["talk"])])) == 0
    assert sizes == [[], ["json"], ["0.jpg"], ["1.jpg"]]


def test_names_from_a_tar_cannot_write_to_the_terminal(tmp_path, capsys):
    members = [("k\x1b[2J\udcff.jpg", HTML), ("k\x1b[2J\udcff.txt", b"a")]
    shard = write_tar(tmp_path / "a.tar", members, tarfile.GNU_FORMAT)
    write_index(shard)
    assert run(shard, "--drop-list", tmp_path / "bad.jsonl") == 0
    assert "record 0 (k?[2J?), byte 512: broken_image" in capsys.readouterr().out
    assert kinds(tmp_path / "bad.jsonl") == {"k\x1b[2J\udcff": "broken_image"}


def test_misuse_is_refused(stream, tmp_path, capsys):
    def refused(*arguments: object) -> str:
        assert run(*arguments) == 2
        return capsys.readouterr().err

    assert "matches nothing" in refused(tmp_path / "*.tar")
    assert "run this where the shards lie" in refused("https://host/a.tar")
    bare = write_shard(tmp_path / "bare.tar", [("k", {"txt": b"a"})])
    assert "Run `python -m data_prep.index" in refused(bare)
    old = indexed(tmp_path / "old.tar", [("k", {"txt": b"a"})])
    index = Path(f"{old}.index.jsonl")
    index.write_text(index.read_text().replace(scan_shard(old).header.digest, ""))
    assert "no digest in the index of" in refused(old)
    for arguments, message in (
        (["--workers", "0"], "expected at least 1"),
        (["--part", "1/2", "--drop-list", str(tmp_path / "x")], "would miss the other parts"),
        (["--drop-list", str(tmp_path / "none" / "x")], "there is no folder"),
        (["--part", "3/2"], "give i/n"),
        (["--drop", "x"], "unrecognized arguments"),
    ):
        with pytest.raises(SystemExit):
            verify.main([str(stream / "*.tar"), *arguments])
        assert message in capsys.readouterr().err, arguments
    assert list(stream.glob("*.verified*")) == []


def test_an_index_that_does_not_fit_ends_the_run_in_a_line(stream, capsys):
    """Found only when the shard is opened: its size and time are those that the index tells."""
    index = Path(f"{stream / 'pairs-001.tar'}.index.jsonl")
    *lines, last = index.read_text().splitlines()
    entry = json.loads(last)
    entry["members"]["jpg"][1] += 1
    index.write_text("\n".join([*lines, json.dumps(entry)]) + "\n")
    assert run(stream / "*.tar") == 2
    error = capsys.readouterr().err
    assert "pairs-001.tar is stale" in error
    assert "Verdicts on finished shards are kept" in error
    assert [path.name for path in stream.glob("*.verified*")] == ["pairs-000.tar.verified.json"]


def test_command_imports_nothing_heavy() -> None:
    code = "import sys, data_prep.verify; print(sorted({'torch', 'av', 'PIL', 'fsspec', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
