"""What a shard holds and where, from its tar headers alone.

Keys are WebDataset's: folders, and the last part of the name up to its first dot. Members side by side with one key are
one record.
"""

import hashlib
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from anyany.faults import Fault

BLOCK_BYTES = tarfile.BLOCKSIZE
TAIL_BYTES = 1 << 20  # of what follows the last member, searched for a second archive
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

Members = dict[str, tuple[int, int]]  # extension -> (offset, size) in bytes


class ShardFault(Fault):
    """A tar that cannot be indexed: not_a_tar, compressed, duplicate_key or sparse_member."""


@dataclass(frozen=True)
class ShardHeader:
    """A shard as a whole. ``faults`` counts what was passed over, by kind; ``truncated``: the tar has no end marker.

    ``digest`` is of the members' names, places, sizes and times: a shard written anew has another one.
    """

    url: str
    num_records: int
    size_bytes: int
    extensions: dict[str, int]
    faults: dict[str, int] = field(default_factory=dict)
    truncated: bool = False
    digest: str = ""


@dataclass(frozen=True)
class ShardIndex:
    header: ShardHeader
    keys: list[str]
    members: list[Members]


def scan_shard(path: str | Path) -> ShardIndex:
    """Read the tar headers of a local shard; nothing is decoded.

    A tar that is cut off is indexed up to its last complete member. Members that WebDataset skips too are counted in
    ``faults``: link (no file of its own), unnamed (hidden, or without an extension), archive_after_end.

    Raises:
        ShardFault: no plain tar, or a key (or one of its extensions) that comes twice.
    """
    url = str(path)
    with open(path, "rb", buffering=0) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        tar = _open_tar(file, url)
        faults: Counter[str] = Counter()
        told = hashlib.blake2b(digest_size=16)
        offsets, members = _group(_told(_complete_members(tar, size_bytes), told), faults, url)
        tail = os.pread(file.fileno(), TAIL_BYTES, tar.offset)
    truncated = not tail.startswith(bytes(BLOCK_BYTES))  # also where a damaged header hides the rest
    if not truncated and tail.strip(b"\0"):
        faults["archive_after_end"] += 1
    extensions = Counter(extension for record in members for extension in record)
    header = ShardHeader(
        url, len(members), size_bytes, dict(sorted(extensions.items())), dict(faults), truncated, told.hexdigest()
    )
    return ShardIndex(header, list(offsets), members)


def _open_tar(file: BinaryIO, url: str) -> tarfile.TarFile:
    start = file.read(8)
    file.seek(0)
    for magic, name in COMPRESSED.items():
        if start.startswith(magic):
            raise ShardFault("compressed", f"{url} is compressed ({name}): unpack it, records are read by offset")
    try:
        return tarfile.open(fileobj=file, mode="r:")
    except tarfile.ReadError as error:
        raise ShardFault("not_a_tar", f"{url} is no tar ({error}): leave it out, or fetch it again") from error


def _complete_members(tar: tarfile.TarFile, size_bytes: int) -> Iterator[tarfile.TarInfo]:
    """Members whose bytes are all there, in order. tarfile itself ends without a word where an archive is cut off."""
    while True:
        try:
            info = tar.next()
        except tarfile.ReadError:
            return
        if info is None or (info.isreg() and info.offset_data + info.size > size_bytes):
            return
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
        yield info


def _told(infos: Iterator[tarfile.TarInfo], digest: "hashlib.blake2b") -> Iterator[tarfile.TarInfo]:
    """The same, and the digest learns of each."""
    for info in infos:
        digest.update(f"{info.name!a} {info.size} {info.mtime} {info.offset_data}\n".encode())
        yield info


def _group(infos: Iterator[tarfile.TarInfo], faults: Counter[str], url: str) -> tuple[dict[str, int], list[Members]]:
    """Offsets of the records' first headers by key, and their members. Adjacent members with one key are one record."""
    offsets: dict[str, int] = {}
    members: list[Members] = []
    last_key = None
    for info in infos:
        key, extension = _split_name(info.name)
        if not info.isreg() or key is None:
            if not info.isdir():
                faults["unnamed" if info.isreg() else "link"] += 1
            continue
        if info.issparse():
            raise ShardFault("sparse_member", f"{url}: {info.name!r} is stored sparse: write the tar without --sparse")
        if key in offsets and (key != last_key or extension in members[-1]):
            raise _duplicate(url, key, extension, offsets[key], info.offset)
        if key != last_key:
            offsets[key] = info.offset
            members.append({})
        members[-1][extension] = (info.offset_data, info.size)
        last_key = key
    return offsets, members


def _split_name(name: str) -> tuple[str | None, str]:
    """(key, extension in small letters), key None for what WebDataset skips. The pattern is WebDataset's."""
    match = re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", name)
    if match is None or re.match(r"__[^/]*__($|/)", name):
        return None, ""
    return match[1], match[2].lower()


def _duplicate(url: str, key: str, extension: str, first: int, again: int) -> ShardFault:
    return ShardFault(
        "duplicate_key",
        f"{url}: key {key!r} starts at byte {first} and comes again (.{extension}) at byte {again}. "
        "A record's members lie side by side and each key occurs once: sort the tar by name, or rename one of the two",
    )
