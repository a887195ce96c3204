"""From what a config names (paths, globs, brace lists, addresses) to a list of shard urls.

Only protocols that read are let through: ``pipe:`` and whatever else could start a program is refused.
"""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from braceexpand import braceexpand

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

REMOTE = ("http", "https", "s3")
SHARD_SUFFIX = ".tar"
MAX_LISTED = 5  # names shown in one error


def expand_urls(spec: str | Sequence[str]) -> list[str]:
    """The shards that ``spec`` names, in its order; what a glob finds is sorted.

    Local shards come back as paths (``file://`` removed), remote ones as addresses; of these only globs are looked up.

    Raises:
        ValueError: a protocol off the list, a name that is no plain tar, or the same shard twice.
        FileNotFoundError: a local shard that is not there, or a pattern that matches nothing.
    """
    patterns = [spec] if isinstance(spec, str) else list(spec)
    urls = [url for pattern in patterns for name in braceexpand(pattern) for url in _expand_one(name)]
    if not urls:
        raise FileNotFoundError(f"no shards: {spec!r} names none")
    if wrong := [url for url in urls if not url.endswith(SHARD_SUFFIX)]:
        raise ValueError(
            f"not shards: {listed(wrong)}. Expected plain {SHARD_SUFFIX}: unpack compressed ones, narrow globs"
        )
    if missing := [url for url in urls if not is_remote(url) and not os.path.exists(url)]:
        raise FileNotFoundError(f"missing shard: {listed(missing)} (of {len(urls)} named by {spec!r})")
    counts = Counter(url if is_remote(url) else os.path.abspath(url) for url in urls)
    if twice := [url for url, count in counts.items() if count > 1]:
        raise ValueError(f"named more than once: {listed(twice)}. Raise a source's weight to see it more often")
    return urls


def is_remote(url: str) -> bool:
    """Whether ``url`` is read over a network.

    Raises:
        ValueError: its protocol is not one that may be read.
    """
    protocol = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    if protocol is None or url.startswith("file://"):
        return False
    if protocol[1] not in REMOTE or not url.startswith(f"{protocol[1]}://"):
        raise ValueError(
            f"refused {url!r}: shards are local paths, file:// or {', '.join(f'{name}://' for name in REMOTE)}. "
            f"Nothing else is opened, so that no data name can start a program (a local path with a colon: './{url}')"
        )
    if "::" in url or re.search(r"[?#]", url):
        raise ValueError(f"refused {url!r}: a remote shard is one plain address, without '::', '?' or '#'")
    return True


def local_name(url: str) -> str:
    """The path that a local url means: without ``file://``, ``~`` expanded, doubled slashes removed."""
    return os.path.normpath(os.path.expanduser(url.removeprefix("file://")))


def filesystem_of(url: str) -> "AbstractFileSystem":
    """The fsspec filesystem of a remote url. Ask anew in each process: fsspec keeps no connection across a fork."""
    import fsspec

    assert is_remote(url), url
    protocol = url.partition("://")[0]
    return fsspec.filesystem(protocol, **(_http_options() if protocol.startswith("http") else {}))


def remote_size(url: str) -> int | None:
    """Bytes of a remote file, None where the server does not say.

    Raises:
        FileNotFoundError: it is not there, or the server does not answer.
    """
    try:
        return filesystem_of(url).size(url)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"missing shard: {url} ({error.__cause__ or error})") from error


def listed(names: Iterable[str], separator: str = ", ") -> str:
    """The first few names, and how many more there are."""
    all_names = list(names)
    more = f"{separator}and {len(all_names) - MAX_LISTED} more" if len(all_names) > MAX_LISTED else ""
    return separator.join(all_names[:MAX_LISTED]) + more


def _expand_one(name: str) -> list[str]:
    """One name after brace expansion: itself, or what its glob finds."""
    if is_remote(name):
        found = _remote_glob(name) if re.search(r"[*\[]", name) else [name]
    else:
        path = local_name(name)
        found = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) and not os.path.exists(path) else [path]
    if not found:
        raise FileNotFoundError(f"pattern {name!r} matches nothing")
    return found


def _remote_glob(pattern: str) -> list[str]:
    files = filesystem_of(pattern)
    return sorted(files.unstrip_protocol(str(path)) for path in files.glob(pattern))


def _http_options() -> dict:
    """aiohttp ends every transfer after five minutes unless told otherwise: only silence counts here."""
    from aiohttp import ClientTimeout

    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=30, sock_read=60)}}
