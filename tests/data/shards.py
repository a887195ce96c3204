"""Shards for tests: written with tarfile alone, the same bytes every time."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from anyany.data.store import ShardStore

Records = Iterable[tuple[str, Mapping[str, bytes]]]


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], tar_format: int = tarfile.USTAR_FORMAT) -> Path:
    """A tar of named members, in the order given."""
    with tarfile.open(path, "w", format=tar_format) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)  # mtime 0
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_shard(path: Path, records: Records, tar_format: int = tarfile.USTAR_FORMAT) -> Path:
    """A tar of records: ``(key, {extension: bytes})``."""
    members = ((f"{key}.{extension}", data) for key, by_name in records for extension, data in by_name.items())
    return write_tar(path, members, tar_format)


def pair_records(num_records: int, first: int = 0, media: str = "jpg") -> list[tuple[str, dict[str, bytes]]]:
    """Pairs as img2dataset lays them out: 9-digit keys, media, txt and json; sizes differ from record to record."""
    return [
        (f"{n:09d}", {media: bytes([n % 251]) * (n % 700), "txt": b"caption %d" % n, "json": b'{"caption": "%d"}' % n})
        for n in range(first, first + num_records)
    ]


def local_store(folder: Path) -> ShardStore:
    return ShardStore(folder / "cache", max_bytes=1 << 20)
