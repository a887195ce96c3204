"""A source: a data set, the shards that hold it, and the recipe that turns its records into messages."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from anyany.data.drops import Drops, read_drops
from anyany.data.index import ShardHeader, read_headers
from anyany.data.order import SourceOrder
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
    drops: Drops = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        return [header.url for header in self.headers]

    @property
    def shard_sizes(self) -> list[int]:
        """Records that the shards hold, those left out included."""
        return [header.num_records for header in self.headers]

    @cached_property
    def digest(self) -> str:
        """Changes with the shards, their order and what is left out, not with the folder that they lie in."""
        told = [(PurePosixPath(h.url).name, h.size_bytes, h.num_records, h.digest) for h in self.headers]
        return digest_of(*told, *sorted(self.drops.items())).hex()

    @property
    def num_records(self) -> int:
        """Without those left out."""
        return sum(self.shard_sizes) - sum(map(len, self.drops.values()))

    def order(self, seed: int, window_shards: int = 8, shuffle: bool = True) -> SourceOrder:
        return SourceOrder(self.name, self.shard_sizes, seed, window_shards, shuffle, self.digest, self.drops)


def open_source(
    name: str,
    shards: str | Sequence[str],
    recipe: Recipe,
    weight: float | None = None,
    drop_list: str | Path | None = None,
) -> Source:
    """Looks the shards up, and reads the head of each index and the list of records to leave out.

    Raises:
        ValueError, FileNotFoundError: where a shard is missing, has no index, changed since it was indexed, or is not
            in the drop list.
    """
    headers = tuple(read_headers(expand_urls(shards)))
    if cut_off := [header.url for header in headers if header.truncated]:
        log.warning("source %s: %d shards are cut off, the first is %s", name, len(cut_off), cut_off[0])
    return Source(name, headers, recipe, weight, read_drops(name, headers, drop_list) if drop_list else {})
