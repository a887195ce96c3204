"""Where a shard's bytes are on this machine: local shards in place, remote ones in a bounded cache of whole files.

Several processes share a cache. Under a lock for each file one of them downloads and the others wait; one lock for the
whole cache guards eviction. Locks vanish with the process that holds them, whatever kills it.
"""

import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anyany.data.urls import filesystem_of, is_remote, local_name, remote_size
from anyany.seeds import digest_of

log = logging.getLogger(__name__)

DOWNLOAD_TRIES = 3
OPEN_TRIES = 5  # another process may evict a shard between its download and its opening


@dataclass(frozen=True)
class ShardStore:
    """Keeps remote shards in ``cache_dir``, at most ``max_bytes`` of complete ones; the least recently used go first.

    Downloads under way come on top (one a process), and so do evicted shards until their last reader closes them.
    An address stands for the same bytes for ever: publish changed shards under a new name.
    """

    cache_dir: Path
    max_bytes: int

    def __post_init__(self) -> None:
        if self.max_bytes <= 0:
            raise ValueError(f"max_bytes of the shard cache is {self.max_bytes}, expected more than 0")

    def local_path(self, url: str) -> Path:
        """A local file with the bytes of ``url``, downloaded if need be. Another process may evict it: prefer ``open``.

        Raises:
            FileNotFoundError: there is no such shard.
            ValueError: a refused protocol, or a shard larger than ``max_bytes``.
        """
        if not is_remote(url):
            path = Path(local_name(url))
            if not path.exists():
                raise FileNotFoundError(f"missing shard: {url}")
            return path
        name = _cache_name(url)
        path = self._folder("shards") / name
        if not _mark_used(path):
            with _locked(self._folder("locks") / name):
                if not _mark_used(path):  # the process that held the lock may have fetched it
                    self._download(url, path)
        return path

    def open(self, url: str) -> int:
        """A descriptor for reading ``url``; it stays good whatever is evicted. The caller closes it."""
        for _ in range(OPEN_TRIES):
            path = self.local_path(url)
            try:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                log.warning("%s was evicted before it could be opened", url)
        raise RuntimeError(
            f"{url} was evicted {OPEN_TRIES} times before it was opened: raise max_bytes={self.max_bytes}"
        )

    def read_text(self, url: str) -> str:
        """The whole of a small text file."""
        with os.fdopen(self.open(url), encoding="utf-8") as file:
            return file.read()

    def _download(self, url: str, path: Path) -> None:
        """Fetch ``url`` into place, whole or not at all; the caller holds its lock."""
        size_bytes = remote_size(url)
        self._check_fits(url, size_bytes or 0)
        part = self._folder("parts") / path.name
        start = time.monotonic()
        try:
            _fetch(url, part, size_bytes)
            size_bytes = part.stat().st_size
            self._check_fits(url, size_bytes)
            log.info("downloaded %s: %d bytes in %.1f s", url, size_bytes, time.monotonic() - start)
            with _locked(Path(self.cache_dir) / "evict.lock"):
                self._drop_abandoned_parts()
                self._evict_to(self.max_bytes - size_bytes)
                os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _check_fits(self, url: str, size_bytes: int) -> None:
        if size_bytes > self.max_bytes:
            raise ValueError(
                f"{url} has {size_bytes} bytes, more than the whole shard cache may hold ({self.max_bytes}): "
                "raise max_bytes, or write smaller shards"
            )

    def _evict_to(self, max_bytes: int) -> None:
        stats = {path: path.stat() for path in self._folder("shards").iterdir()}
        total = sum(stat.st_size for stat in stats.values())
        for path, stat in sorted(stats.items(), key=lambda item: item[1].st_mtime_ns):
            if total <= max_bytes:
                return
            path.unlink()
            total -= stat.st_size
            log.info("evicted %s: %d bytes", path.name, stat.st_size)

    def _drop_abandoned_parts(self) -> None:
        """Parts whose lock is free were left by processes that died."""
        for part in self._folder("parts").iterdir():
            with _locked(self._folder("locks") / part.name, wait=False) as free:
                if free:
                    log.warning("dropped the unfinished download %s", part.name)
                    part.unlink(missing_ok=True)

    def _folder(self, name: str) -> Path:
        folder = Path(self.cache_dir) / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _cache_name(url: str) -> str:
    """A digest tells urls apart; the end of the name is for people."""
    return f"{digest_of('shard', url).hex()}-{re.sub(r'[^A-Za-z0-9._-]', '_', url.rpartition('/')[2])[-80:]}"


def _mark_used(path: Path) -> bool:
    """Whether the file is there; its modification time is when it was last asked for."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file; yields False where another process or thread has it and ``wait`` is off."""
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True  # closing the file frees the lock


def _fetch(url: str, part: Path, size_bytes: int | None) -> None:
    for attempt in range(1, DOWNLOAD_TRIES + 1):
        try:
            filesystem_of(url).get_file(url, str(part))
            if size_bytes is not None and part.stat().st_size != size_bytes:
                raise OSError(f"{url}: got {part.stat().st_size} bytes of {size_bytes}")
            return
        except Exception as error:  # each protocol has its own network errors
            if attempt == DOWNLOAD_TRIES or isinstance(error, FileNotFoundError):
                raise
            log.warning("downloading %s failed (%r), try %d of %d", url, error, attempt, DOWNLOAD_TRIES)
            time.sleep(attempt)
