"""A source: a data set, the shards that hold it, and the recipe that turns its records into messages."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from anyany.data.index import ShardHeader, read_headers
from anyany.data.recipes import Recipe
from anyany.data.urls import expand_urls
from anyany.seeds import digest_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    name: str
    headers: tuple[ShardHeader, ...]
    recipe: Recipe
    weight: float | None = None

    @property
    def urls(self) -> list[str]:
        return [header.url for header in self.headers]

    @property
    def shard_sizes(self) -> list[int]:
        return [header.num_records for header in self.headers]

    @cached_property
    def digest(self) -> str:
        """Changes with the shards and their order, not with the folder that they lie in."""
        told = [(PurePosixPath(h.url).name, h.size_bytes, h.num_records, h.digest) for h in self.headers]
        return digest_of(*told).hex()

    @property
    def num_records(self) -> int:
        return sum(self.shard_sizes)


def open_source(name: str, shards: str | Sequence[str], recipe: Recipe, weight: float | None = None) -> Source:
    """Looks the shards up and reads the head of each index.

    Raises:
        ValueError, FileNotFoundError: where a shard is missing, has no index, or changed since it was indexed.
    """
    headers = tuple(read_headers(expand_urls(shards)))
    if cut_off := [header.url for header in headers if header.truncated]:
        log.warning("source %s: %d shards are cut off, the first is %s", name, len(cut_off), cut_off[0])
    return Source(name, headers, recipe, weight)
