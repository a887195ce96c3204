"""The index beside each shard: where every member of every record lies, so that records are read in any order.

``<shard>.index.jsonl``: the first line describes the shard (starting up reads only this), then one line a record::

    {"version": 1, "num_records": 2, "size_bytes": 10240, "extensions": {"jpg": 2, "txt": 2}, "faults": {}, ...}
    {"key": "000000000", "members": {"jpg": [512, 1893], "txt": [3072, 24]}}

A member is ``[offset, size]`` in bytes.
"""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from anyany.data.scan import Members, ShardHeader, ShardIndex, scan_shard
from anyany.data.urls import filesystem_of, is_remote, listed, local_name, remote_size
from anyany.files import whole

if TYPE_CHECKING:
    from anyany.data.store import ShardStore

VERSION = 1
HEADER_BYTES = 4096  # first guess at the length of an index's first line, for remote reads
HEADER_THREADS = 16


def index_name(url: str) -> str:
    return f"{url}.index.jsonl"


def write_index(path: str | Path, force: bool = False) -> ShardHeader:
    """Index a local shard, unless an index of its size that is not older is there. Appears whole or not at all."""
    url, target = str(path), index_name(str(path))
    if not force and os.path.exists(target) and os.path.getmtime(target) >= os.path.getmtime(path):
        found = _look_up(url)
        if isinstance(found, ShardHeader):
            return found
    index = scan_shard(path)
    with whole(Path(target)) as temporary, open(temporary, "w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in _lines_of(index))
    return index.header


def read_header(url: str) -> ShardHeader:
    """The first line of a shard's index, checked against the shard's size.

    Raises:
        ValueError: there is no index, or it is stale.
        FileNotFoundError: there is no shard.
    """
    return read_headers([url])[0]


def read_headers(urls: Sequence[str]) -> list[ShardHeader]:
    """The headers of all shards, in order; one error names all that is missing or stale. Raises as read_header."""
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        found = list(pool.map(_look_up, urls))
    wrong = {url: problem for url, problem in zip(urls, found, strict=True) if isinstance(problem, str)}
    if wrong:
        where = " where they lie, and put the indices beside them" if any(map(is_remote, wrong)) else ""
        problems = listed(wrong.values(), separator="; ")
        command = f"python -m data_prep.index {next(iter(wrong)) if len(wrong) == 1 else 'SHARDS'}"
        raise ValueError(f"{problems}. Run `{command}`{where}")
    return [header for header in found if isinstance(header, ShardHeader)]


def read_index(url: str, store: "ShardStore") -> ShardIndex:
    """The whole index of a shard, a remote one by way of the store."""
    header, lines = read_lines(url, store)
    entries = [parse_entry(line) for line in lines]
    return ShardIndex(header, [key for key, _ in entries], [members for _, members in entries])


def read_lines(url: str, store: "ShardStore") -> tuple[ShardHeader, list[str]]:
    """The header and the records' lines as text: a tenth of the memory of a parsed index."""
    name = index_name(url)
    try:
        text = store.read_text(name)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no index beside {url}: run `python -m data_prep.index {url}`") from error
    first, *lines = text.removesuffix("\n").split("\n")
    header = _parse_header(first, url)
    if len(lines) != header.num_records:
        raise ValueError(f"{name} has {len(lines)} records, its header says {header.num_records}: index {url} again")
    return header, lines


def parse_entry(line: str) -> tuple[str, Members]:
    """One record's line -> its key and members."""
    entry = json.loads(line)
    return entry["key"], {extension: (offset, size) for extension, (offset, size) in entry["members"].items()}


def _lines_of(index: ShardIndex) -> Iterator[str]:
    header = asdict(index.header)
    del header["url"]
    yield json.dumps({"version": VERSION, **header})
    for key, members in zip(index.keys, index.members, strict=True):
        yield json.dumps({"key": key, "members": members})


def _look_up(url: str) -> ShardHeader | str:
    """The header, or what is wrong with it."""
    try:
        size_bytes = remote_size(url) if is_remote(url) else os.path.getsize(local_name(url))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"missing shard: {url}") from error
    try:
        header = _parse_header(_first_line(index_name(url)), url)
    except FileNotFoundError:
        return f"no index beside {url}"
    except ValueError as error:
        return f"index of {url} cannot be read: {error}"
    if size_bytes is not None and size_bytes != header.size_bytes:
        return f"index of {url} is stale: the shard has {size_bytes} bytes, the index describes {header.size_bytes}"
    if not is_remote(url) and os.path.getmtime(local_name(url)) > os.path.getmtime(local_name(index_name(url))):
        return f"index of {url} is stale: the shard was written after it"
    return header


def _first_line(name: str) -> str:
    if not is_remote(name):
        with open(local_name(name), encoding="ascii") as file:
            return file.readline()
    files, length = filesystem_of(name), HEADER_BYTES
    while True:
        text = files.cat_file(name, start=0, end=length)
        if b"\n" in text or len(text) < length:
            return text.partition(b"\n")[0].decode("ascii")
        length *= 4


def _parse_header(line: str, url: str) -> ShardHeader:
    content = json.loads(line)
    if not isinstance(content, dict) or content.pop("version", None) != VERSION:
        raise ValueError(f"not an index of version {VERSION}")
    try:
        return ShardHeader(url, **content)
    except TypeError as error:
        raise ValueError(f"its header does not fit: {error}") from error
