"""Reading one record of a shard by its number, in any order, in bounded memory."""

import os
import tarfile
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from anyany.data.index import parse_entry, read_lines
from anyany.data.scan import BLOCK_BYTES, Members, ShardHeader
from anyany.data.store import ShardStore
from anyany.faults import Fault


class RecordFault(Fault):
    """A record that cannot be used; it becomes a hole in the plan."""


@dataclass(frozen=True)
class Record:
    """The bytes of one sample. ``index`` counts records within the shard from 0; ``members`` go by extension.

    ``names`` are the extensions of all its members in their order, also of those that were not asked for.
    """

    source: str
    shard: str
    index: int
    key: str
    members: dict[str, bytes]
    names: tuple[str, ...]


@dataclass(frozen=True)
class _OpenShard:
    descriptor: int
    header: ShardHeader
    lines: list[str]


class RecordReader:
    """Reads records of any number of shards, and keeps the last ``max_open`` of them open with their indices.

    Survives a fork (pread has no shared position) and pickling (shards are opened again). One thread at a time.
    """

    def __init__(self, store: ShardStore, max_open: int = 16):
        if max_open < 1:
            raise ValueError(f"max_open is {max_open}, expected at least 1")
        self.store = store
        self.max_open = max_open
        self._open: OrderedDict[str, _OpenShard] = OrderedDict()  # least recently used first

    def __reduce__(self) -> tuple:
        return type(self), (self.store, self.max_open)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close every shard; the next read opens what it needs."""
        while getattr(self, "_open", None):
            self._close_oldest()

    def read(self, source: str, url: str, index: int, only: Collection[str] | None = None) -> Record:
        """Record ``index`` of shard ``url``; of its members those with an extension in ``only``, or all.

        Raises:
            RecordFault: a member ends beyond the end of the shard (kind cut_off_shard).
            FileNotFoundError: there is no such shard, or no index beside it.
            ValueError: the index does not describe the shard.
        """
        shard = self._shard(url)
        key, members = self._entry(shard, index)
        content = {
            extension: self._member(shard, f"{key}.{extension}", offset, size)
            for extension, (offset, size) in members.items()
            if only is None or extension in only
        }
        return Record(source, url, index, key, content, tuple(members))

    def key(self, url: str, index: int) -> str:
        """The key of record ``index`` of shard ``url``; of the record nothing is read. Raises as ``read``."""
        key, _ = self._entry(self._shard(url), index)
        return key

    def _entry(self, shard: _OpenShard, index: int) -> tuple[str, Members]:
        if not 0 <= index < len(shard.lines):
            raise IndexError(f"record {index} of {shard.header.url}, which has {len(shard.lines)}")
        return parse_entry(shard.lines[index])

    def _member(self, shard: _OpenShard, name: str, offset: int, size: int) -> bytes:
        data = _pread(shard.descriptor, size, offset)
        if len(data) < size:
            raise RecordFault(
                "cut_off_shard",
                f"{shard.header.url}: {name} lies at bytes {offset} to {offset + size}, "
                f"the shard ends at {os.fstat(shard.descriptor).st_size}: fetch it again, or index it again as it is",
            )
        return data

    def _shard(self, url: str) -> _OpenShard:
        shard = self._open.get(url)
        if shard is None:
            shard = _open_shard(url, self.store)
            self._open[url] = shard
            if len(self._open) > self.max_open:
                self._close_oldest()
        self._open.move_to_end(url)
        return shard

    def _close_oldest(self) -> None:
        _, shard = self._open.popitem(last=False)
        os.close(shard.descriptor)


def _open_shard(url: str, store: ShardStore) -> _OpenShard:
    descriptor = store.open(url)
    try:
        shard = _OpenShard(descriptor, *read_lines(url, store))
        _check_layout(shard)
    except Exception:
        os.close(descriptor)
        raise
    return shard


def _check_layout(shard: _OpenShard) -> None:
    """The tar header before the last member that is there must tell its size: a shard written anew seldom does."""
    size_bytes = os.fstat(shard.descriptor).st_size
    for line in reversed(shard.lines):
        _, members = parse_entry(line)
        for offset, size in members.values():
            if offset + size <= size_bytes:
                block = _pread(shard.descriptor, BLOCK_BYTES, offset - BLOCK_BYTES)
                if not _tells_size(block, size):
                    raise ValueError(
                        f"the index of {shard.header.url} is stale (no member of {size} bytes at {offset}): "
                        f"run `python -m data_prep.index --force {shard.header.url}`"
                    )
                return


def _tells_size(block: bytes, size: int) -> bool:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size == size
    except tarfile.TarError:
        return False


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    """``size`` bytes, fewer only at the end of the file. One call returns 2 GiB at most."""
    data = os.pread(descriptor, size, offset)
    while len(data) < size and (more := os.pread(descriptor, size - len(data), offset + len(data))):
        data += more
    return data
