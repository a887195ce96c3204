import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anyany.data.index import index_name, read_header, read_headers, read_index, write_index
from anyany.data.scan import scan_shard
from data_prep.index import main
from tests.data.server import serving
from tests.data.shards import local_store, pair_records, write_shard, write_tar


def test_writes_what_it_scans_and_reads_it_back(tmp_path: Path) -> None:
    path = write_tar(
        tmp_path / "a.tar", [("ключ.txt", b"1"), ("a\x85b.txt", b"2"), ("x.seg.png", b"3"), ("x.txt", b"")]
    )
    header = write_index(path)
    scanned = scan_shard(path)
    assert header == scanned.header == read_header(str(path))
    assert read_index(str(path), local_store(tmp_path)) == scanned
    first = json.loads(Path(index_name(str(path))).read_text().splitlines()[0])
    assert (first["version"], first["num_records"], first["truncated"]) == (1, 3, False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "a.tar.index.jsonl"]


def test_an_index_that_fits_is_left_alone(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", pair_records(3))
    index = Path(index_name(str(path)))
    write_index(path)
    written = index.stat().st_ino
    assert write_index(path).num_records == 3
    assert index.stat().st_ino == written
    write_index(path, force=True)
    assert index.stat().st_ino != written

    size = path.stat().st_size
    write_shard(path, pair_records(3, first=300))  # same size, newer: looked at again
    assert path.stat().st_size == size
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert write_index(path).num_records == 3
    assert read_index(str(path), local_store(tmp_path)).keys[0] == "000000300"

    write_shard(path, pair_records(300))
    assert write_index(path).num_records == 300


def test_one_error_lists_all_that_lack_an_index(tmp_path: Path) -> None:
    paths = [write_shard(tmp_path / f"{n}.tar", pair_records(n)) for n in range(1, 5)]
    for path in paths[:3]:
        write_index(path)
    write_shard(paths[1], pair_records(100))
    Path(index_name(str(paths[2]))).write_text('{"version": 2}\n')
    assert read_header(str(paths[0])).num_records == 1
    with pytest.raises(ValueError, match=r"Run `python -m data_prep\.index SHARDS`") as error:
        read_headers([str(path) for path in paths])
    assert "1.tar" not in str(error.value)
    assert "2.tar is stale: the shard has" in str(error.value)
    assert "3.tar cannot be read: not an index of version 1" in str(error.value)
    assert "no index beside" in str(error.value)
    assert "4.tar" in str(error.value)
    with pytest.raises(ValueError, match=r"no index beside .*4\.tar\. Run `python -m data_prep.index .*4\.tar`"):
        read_header(str(paths[3]))


@pytest.mark.parametrize("content", ["", "nonsense", "[1]", '{"version": 1, "odd": 2}', '{"version": 1}'])
def test_a_broken_index_is_named(tmp_path: Path, content: str) -> None:
    path = write_shard(tmp_path / "a.tar", pair_records(1))
    Path(index_name(str(path))).write_text(content)
    with pytest.raises(ValueError, match=r"index of .*a\.tar cannot be read"):
        read_header(str(path))


def test_a_cut_off_index_is_refused(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", pair_records(5))
    write_index(path)
    index = Path(index_name(str(path)))
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(ValueError, match="has 3 records, its header says 5"):
        read_index(str(path), local_store(tmp_path))


def test_a_missing_shard_is_an_error_at_once(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", pair_records(1))
    write_index(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"missing shard: .*a\.tar"):
        read_headers([str(path)])


def test_over_http_headers_cost_no_shard(tmp_path: Path) -> None:
    for n in range(3):
        write_index(write_shard(tmp_path / f"{n}.tar", pair_records(200 + n)))
    write_shard(tmp_path / "bare.tar", pair_records(2))
    with serving(tmp_path) as server:
        headers = read_headers([server.url(f"{n}.tar") for n in range(3)])
        assert [header.num_records for header in headers] == [200, 201, 202]
        assert dict(server.gets) == {f"{n}.tar.index.jsonl": 1 for n in range(3)}
        with pytest.raises(ValueError, match=r"no index beside http.*bare\.tar\. Run .* where they lie"):
            read_header(server.url("bare.tar"))
        (tmp_path / "0.tar").write_bytes(b"")
        with pytest.raises(ValueError, match="stale: the shard has 0 bytes"):
            read_header(server.url("0.tar"))


def test_starting_up_reads_headers_only(tmp_path: Path) -> None:
    """100 shards of 1,000 records: what follows the first line may be anything."""
    header = {"version": 1, "num_records": 1000, "size_bytes": 3, "extensions": {"txt": 1000}}
    urls = [str(tmp_path / f"{n}.tar") for n in range(100)]
    for url in urls:
        Path(url).write_bytes(b"tar")
        Path(index_name(url)).write_text(json.dumps(header) + "\n" + "not json\n" * 1000)
    headers = read_headers(urls)
    assert sum(header.num_records for header in headers) == 100_000
    assert [header.url for header in headers] == urls


# ---- the command ----


def test_command_counts_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(4):
        write_shard(tmp_path / f"good-{n}.tar", pair_records(10))
    cut = write_shard(tmp_path / "cut.tar", pair_records(10))
    cut.write_bytes(cut.read_bytes()[: scan_shard(cut).members[8]["txt"][0]])
    pattern = str(tmp_path / "*.tar")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.tar")}
    for _ in range(2):  # safe to run twice
        assert main([pattern, "--workers", "1"]) == 0
        report = capsys.readouterr().out
        assert "shards       5 indexed, 0 refused\n" in report
        assert "records      49\n" in report
        assert "members      49 jpg, 48 json, 48 txt\n" in report
        assert f"cut off      1: {cut}\n" in report
        assert f"next: look at every record with `python -m data_prep.verify '{pattern}'`" in report
    assert {path: path.read_bytes() for path in tmp_path.glob("*.tar")} == before

    (tmp_path / "garbage.tar").write_bytes(b"garbage")
    write_tar(tmp_path / "twice.tar", [("a.txt", b""), ("b.txt", b""), ("a.txt", b"")])
    write_shard(tmp_path / "new.tar", pair_records(1))
    assert main([pattern, "--workers", "2"]) == 1
    report = capsys.readouterr().out
    assert "shards       6 indexed, 2 refused (1 duplicate_key, 1 not_a_tar)\n" in report
    assert "records      50\n" in report
    assert "garbage.tar is no tar" in report
    assert "key 'a' starts at byte 0 and comes again (.txt) at byte 1024" in report
    assert "next: mend or leave out" in report
    assert len(list(tmp_path.glob("*.index.jsonl"))) == 6


def test_command_refuses_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "*.tar")]) == 2
    assert "matches nothing" in capsys.readouterr().err
    assert main(["https://host/a.tar"]) == 2
    assert "run this where the shards lie" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["a.tar", "--workers", "0"])
    assert "expected at least 1" in capsys.readouterr().err


def test_command_imports_nothing_heavy() -> None:
    code = "import sys, data_prep.index; print(sorted({'torch', 'numpy', 'fsspec', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
