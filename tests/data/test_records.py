import multiprocessing
import os
import pickle
import random
import tarfile
from pathlib import Path

import pytest

from anyany.data.index import index_name, write_index
from anyany.data.records import Record, RecordFault, RecordReader
from anyany.data.store import ShardStore
from tests.data.server import serving
from tests.data.shards import local_store, pair_records, write_shard, write_tar


@pytest.fixture
def shards(tmp_path: Path) -> list[str]:
    """Five indexed shards of 20 records."""
    paths = [write_shard(tmp_path / f"{n}.tar", pair_records(20, first=20 * n)) for n in range(5)]
    for path in paths:
        write_index(path)
    return [str(path) for path in paths]


@pytest.fixture
def reader(tmp_path: Path) -> RecordReader:
    return RecordReader(local_store(tmp_path), max_open=2)


def num_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_every_record_in_any_order(shards: list[str], reader: RecordReader) -> None:
    """100 records, against tarfile."""
    places = [(shard, index) for shard in range(5) for index in range(20)]
    random.Random(0).shuffle(places)
    for shard, index in places:
        record = reader.read("pairs", shards[shard], index)
        assert (record.source, record.shard, record.index) == ("pairs", shards[shard], index)
        with tarfile.open(shards[shard]) as tar:
            expected = {name: tar.extractfile(f"{record.key}.{name}").read() for name in ("jpg", "txt", "json")}
        assert record.key == f"{20 * shard + index:09d}" == reader.key(shards[shard], index)
        assert record.members == expected


def test_reads_only_what_is_asked_for(shards: list[str], reader: RecordReader, monkeypatch: pytest.MonkeyPatch) -> None:
    reader.read("pairs", shards[0], 0)
    asked: list[int] = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: asked.append(size) or pread(fd, size, at))
    record = reader.read("pairs", shards[0], 7, only=("txt", "flac"))
    assert record == Record("pairs", shards[0], 7, "000000007", {"txt": b"caption 7"}, ("jpg", "txt", "json"))
    assert asked == [len(b"caption 7")]


def test_memory_is_bounded(shards: list[str], tmp_path: Path) -> None:
    before = num_descriptors()
    reader = RecordReader(local_store(tmp_path), max_open=2)
    for index in range(20):
        for url in shards:
            reader.read("pairs", url, index)
            assert len(reader._open) <= 2
            assert num_descriptors() <= before + 2
    assert list(reader._open) == shards[-2:]
    reader.read("pairs", shards[-2], 0)
    reader.read("pairs", shards[0], 0)
    assert list(reader._open) == [shards[-2], shards[0]]  # the least recently used one made room
    reader.close()
    assert num_descriptors() == before
    assert reader.read("pairs", shards[0], 3).key == "000000003"
    del reader
    assert num_descriptors() == before


def test_pickling_opens_anew(shards: list[str], reader: RecordReader) -> None:
    reader.read("pairs", shards[0], 0)
    other = pickle.loads(pickle.dumps(reader))
    assert (other.store, other.max_open, len(other._open)) == (reader.store, 2, 0)
    assert other.read("pairs", shards[0], 5) == reader.read("pairs", shards[0], 5)


def read_all(reader: RecordReader, urls: list[str], rounds: int) -> None:
    for _ in range(rounds):
        for place in range(100):
            record = reader.read("pairs", urls[place // 20], place % 20)
            assert record.members["txt"] == b"caption %d" % place


def test_forks_do_not_disturb_each_other(shards: list[str], tmp_path: Path) -> None:
    reader = RecordReader(local_store(tmp_path))
    read_all(reader, shards, 1)
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=read_all, args=(reader, shards, 10)) for _ in range(2)]
    for child in children:
        child.start()
    read_all(reader, shards, 10)
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]


def test_a_shard_cut_off_after_indexing(tmp_path: Path, reader: RecordReader) -> None:
    path = write_shard(tmp_path / "a.tar", pair_records(10))
    with tarfile.open(path) as tar:
        start = tar.getmember("000000006.txt").offset_data
    write_index(path)
    os.truncate(path, start + 4)
    assert reader.read("pairs", str(path), 5).members["txt"] == b"caption 5"
    assert len(reader.read("pairs", str(path), 6, only=["jpg"]).members["jpg"]) == 6
    for index in (6, 9):
        with pytest.raises(
            RecordFault, match=rf"a\.tar: 00000000{index}\.txt lies at bytes .* ends at {start + 4}"
        ) as error:
            reader.read("pairs", str(path), index, only=["txt"])
        assert error.value.kind == "cut_off_shard"
    again = pickle.loads(pickle.dumps(error.value))
    assert (type(again), again.kind, str(again)) == (RecordFault, "cut_off_shard", str(error.value))


def test_a_shard_indexed_when_cut_off_reads_to_its_end(tmp_path: Path, reader: RecordReader) -> None:
    path = write_shard(tmp_path / "a.tar", pair_records(10))
    with tarfile.open(path) as tar:
        os.truncate(path, tar.getmember("000000006.txt").offset_data + 4)
    header = write_index(path)
    assert (header.num_records, header.truncated) == (7, True)
    assert reader.read("pairs", str(path), 6).names == ("jpg",)


def test_a_missing_shard_or_index_is_an_error_at_once(shards: list[str], reader: RecordReader) -> None:
    os.remove(index_name(shards[0]))
    with pytest.raises(FileNotFoundError, match=r"no index beside .*0\.tar: run `python -m data_prep\.index"):
        reader.read("pairs", shards[0], 0)
    os.remove(shards[1])
    with pytest.raises(FileNotFoundError, match=r"missing shard: .*1\.tar$"):
        reader.read("pairs", shards[1], 0)


def test_a_shard_written_anew_is_noticed(tmp_path: Path, reader: RecordReader) -> None:
    """Both tars have 10,240 bytes, so that their size tells nothing."""
    before = num_descriptors()
    path = write_tar(tmp_path / "a.tar", [("a.txt", b"1"), ("b.txt", b"22")])
    write_index(path)
    write_tar(path, [("a.txt", b"1"), ("b.txt", b"333")])
    with pytest.raises(ValueError, match=r"index of .*a\.tar is stale \(no member of 2 bytes at 1536\): run .*--force"):
        reader.read("pairs", str(path), 0)
    write_tar(path, [("a.txt", bytes(4000))])
    with pytest.raises(ValueError, match="is stale"):
        reader.read("pairs", str(path), 0)
    assert num_descriptors() == before


@pytest.mark.parametrize("index", [-1, 20])
def test_refuses_numbers_out_of_range(shards: list[str], reader: RecordReader, index: int) -> None:
    with pytest.raises(IndexError, match=rf"record {index} of .*0\.tar, which has 20"):
        reader.read("pairs", shards[0], index)


def test_refuses_no_room(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_open is 0, expected at least 1"):
        RecordReader(local_store(tmp_path), max_open=0)


def test_over_http_each_shard_is_fetched_once(tmp_path: Path, shards: list[str]) -> None:
    reader = RecordReader(ShardStore(tmp_path / "cache", 1 << 20), max_open=1)
    with serving(tmp_path) as server:
        read_all(reader, [server.url(f"{n}.tar") for n in range(5)], rounds=2)
        assert server.gets == {name: 1 for n in range(5) for name in (f"{n}.tar", f"{n}.tar.index.jsonl")}


def test_over_http_a_cache_smaller_than_the_data(tmp_path: Path, shards: list[str]) -> None:
    largest = max(os.path.getsize(url) for url in shards)
    reader = RecordReader(ShardStore(tmp_path / "cache", largest), max_open=2)
    with serving(tmp_path) as server:
        read_all(reader, [server.url(f"{n}.tar") for n in range(5)], rounds=1)
        assert server.gets["0.tar"] == 1
        read_all(reader, [server.url(f"{n}.tar") for n in range(5)], rounds=1)
        assert server.gets["0.tar"] == 2
