import fcntl
import logging
import multiprocessing
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from anyany.data import store as store_module
from anyany.data.store import ShardStore
from tests.data.server import serving

SIZE = 10_000
spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """Six files of 10,000 bytes, each of one letter."""
    folder = tmp_path / "served"
    folder.mkdir()
    for letter in "abcdef":
        (folder / f"{letter}.tar").write_bytes(letter.encode() * SIZE)
    return folder


def cached(store: ShardStore) -> str:
    """The letters of the shards that the cache holds."""
    return "".join(sorted(path.read_text()[0] for path in (Path(store.cache_dir) / "shards").iterdir()))


def read_and_close(descriptor: int) -> bytes:
    try:
        return os.pread(descriptor, 2 * SIZE, 0)
    finally:
        os.close(descriptor)


def open_at_once(store: ShardStore, url: str, barrier: "multiprocessing.synchronize.Barrier") -> None:
    barrier.wait(60)
    assert len(read_and_close(store.open(url))) == SIZE


def open_many(store: ShardStore, urls: list[str], offset: int) -> None:
    for turn in range(3 * len(urls)):
        url = urls[(turn * 5 + offset) % len(urls)]
        assert read_and_close(store.open(url)) == url[-5].encode() * SIZE


def test_local_shards_stay_where_they_are(tmp_path: Path, served: Path) -> None:
    store = ShardStore(tmp_path / "cache", 1)
    assert store.local_path(str(served / "a.tar")) == served / "a.tar"
    assert store.local_path(f"file://{served}/a.tar") == served / "a.tar"
    assert not store.cache_dir.exists()
    with pytest.raises(FileNotFoundError, match=r"missing shard: .*z\.tar"):
        store.local_path(str(served / "z.tar"))
    with pytest.raises(ValueError, match=r"refused 'pipe:cat a\.tar'"):
        store.local_path("pipe:cat a.tar")


def test_downloads_once_and_logs(tmp_path: Path, served: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = ShardStore(tmp_path / "cache", 3 * SIZE)
    with serving(served) as server, caplog.at_level(logging.INFO):
        paths = {store.local_path(server.url("a.tar")) for _ in range(3)}
        assert server.gets == {"a.tar": 1}
    assert len(paths) == 1
    assert paths.pop().read_bytes() == b"a" * SIZE
    assert [record.message.split(" in ")[0] for record in caplog.records] == [
        f"downloaded {server.url('a.tar')}: {SIZE} bytes"
    ]
    assert pickle.loads(pickle.dumps(store)) == store


def test_names_in_the_cache_tell_urls_apart(tmp_path: Path, served: Path) -> None:
    (served / "x").mkdir()
    (served / "x" / "a.tar").write_bytes(b"other")
    store = ShardStore(tmp_path / "cache", 3 * SIZE)
    with serving(served) as server:
        assert store.local_path(server.url("a.tar")) != store.local_path(server.url("x/a.tar"))
        assert store.read_text(server.url("x/a.tar")) == "other"


def test_several_processes_download_once(tmp_path: Path, served: Path) -> None:
    store, barrier = ShardStore(tmp_path / "cache", 3 * SIZE), spawn.Barrier(3)
    with serving(served, delay_s=0.3) as server:
        url = server.url("a.tar")
        workers = [spawn.Process(target=open_at_once, args=(store, url, barrier)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        assert server.gets == {"a.tar": 1}


def test_evicts_the_least_recently_used(tmp_path: Path, served: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = ShardStore(tmp_path / "cache", 3 * SIZE)
    with serving(served) as server, caplog.at_level(logging.INFO):
        expected = {"a": "a", "b": "ab", "c": "abc", "A": "abc", "d": "acd", "e": "ade", "b2": "bde"}
        for asked, left in expected.items():
            store.local_path(server.url(f"{asked[0].lower()}.tar"))
            time.sleep(0.01)  # file times tick in milliseconds
            assert cached(store) == left
        assert server.gets == {"a.tar": 1, "b.tar": 2, "c.tar": 1, "d.tar": 1, "e.tar": 1}
    evicted = [record.message for record in caplog.records if record.message.startswith("evicted")]
    assert [message.partition("-")[2] for message in evicted] == [f"{n}.tar: {SIZE} bytes" for n in "bca"]


def test_an_open_descriptor_outlives_eviction(tmp_path: Path, served: Path) -> None:
    store = ShardStore(tmp_path / "cache", SIZE)
    with serving(served) as server:
        descriptor = store.open(server.url("a.tar"))
        store.local_path(server.url("b.tar"))
    assert cached(store) == "b"
    assert read_and_close(descriptor) == b"a" * SIZE


def test_many_processes_in_a_small_cache(tmp_path: Path, served: Path) -> None:
    """Bytes are right and the bound holds while three processes evict each other's shards."""
    store = ShardStore(tmp_path / "cache", 3 * SIZE)
    with serving(served) as server:
        urls = [server.url(f"{letter}.tar") for letter in "abcdef"]
        workers = [spawn.Process(target=open_many, args=(store, urls, offset)) for offset in range(3)]
        for worker in workers:
            worker.start()
        most = 0
        while any(worker.is_alive() for worker in workers):
            most = max(most, len(list((store.cache_dir / "shards").glob("*"))))
            time.sleep(0.001)
        for worker in workers:
            worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert 1 <= most <= 3
    assert list((store.cache_dir / "parts").iterdir()) == []


def test_two_arrivals_at_once_keep_the_bound(tmp_path: Path, served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow renames: without the lock around eviction both would find the cache empty."""
    replace = os.replace

    def slow_replace(source: Path, target: Path) -> None:
        time.sleep(0.2)
        replace(source, target)

    monkeypatch.setattr(store_module.os, "replace", slow_replace)
    store = ShardStore(tmp_path / "cache", SIZE)
    with serving(served) as server, ThreadPoolExecutor(2) as pool:
        list(pool.map(store.local_path, [server.url("a.tar"), server.url("b.tar")]))
    assert cached(store) in ("a", "b")


@pytest.mark.parametrize("known", [True, False])
def test_a_shard_above_the_bound_is_refused(
    tmp_path: Path, served: Path, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not known:  # as a server that tells no size
        monkeypatch.setattr(store_module, "remote_size", lambda url: None)
    store = ShardStore(tmp_path / "cache", SIZE - 1)
    with serving(served) as server:
        with pytest.raises(ValueError, match=r"a\.tar has 10000 bytes, more than .*\(9999\): raise max_bytes"):
            store.local_path(server.url("a.tar"))
        assert server.gets["a.tar"] == (not known)
    assert [path for path in store.cache_dir.rglob("*a.tar") if path.parent.name != "locks"] == []
    with pytest.raises(ValueError, match="expected more than 0"):
        ShardStore(tmp_path, 0)


def test_a_broken_download_is_tried_again(
    tmp_path: Path, served: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_module.time, "sleep", lambda _: None)
    store = ShardStore(tmp_path / "cache", 3 * SIZE)
    with serving(served, num_failures=2) as server:
        assert store.local_path(server.url("a.tar")).read_bytes() == b"a" * SIZE
        assert server.gets == {"a.tar": 3}
        assert sum("failed" in record.message for record in caplog.records) == 2
        server.num_failures = 3
        with pytest.raises(Exception, match="payload"):
            store.local_path(server.url("b.tar"))
        with pytest.raises(FileNotFoundError, match=r"missing shard: .*z\.tar"):
            store.local_path(server.url("z.tar"))
        assert server.gets["b.tar"] == 3
    assert cached(store) == "a"
    assert list((store.cache_dir / "parts").iterdir()) == []


def test_a_short_answer_is_not_taken_for_a_shard(tmp_path: Path, served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module.time, "sleep", lambda _: None)
    monkeypatch.setattr(store_module, "remote_size", lambda url: SIZE + 1)
    store = ShardStore(tmp_path / "cache", 3 * SIZE)
    with serving(served) as server, pytest.raises(OSError, match="got 10000 bytes of 10001"):
        store.local_path(server.url("a.tar"))
    assert cached(store) == ""


def test_what_a_dead_process_left_is_dropped(tmp_path: Path, served: Path) -> None:
    store = ShardStore(tmp_path / "cache", 3 * SIZE)
    for folder in ("parts", "locks"):
        (store.cache_dir / folder).mkdir(parents=True)
    for name in ("dead.tar", "alive.tar"):
        (store.cache_dir / "parts" / name).write_bytes(b"half")
    with serving(served) as server, open(store.cache_dir / "locks" / "alive.tar", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store.local_path(server.url("a.tar"))
    assert [path.name for path in (store.cache_dir / "parts").iterdir()] == ["alive.tar"]
