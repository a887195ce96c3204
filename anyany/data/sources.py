"""A source: a data set, the shards that hold it, and the recipe that turns its records into messages."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyany.data.index import ShardHeader, read_headers
from anyany.data.recipes import Recipe
from anyany.data.urls import expand_urls


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

    @property
    def num_records(self) -> int:
        return sum(self.shard_sizes)


def open_source(name: str, shards: str | Sequence[str], recipe: Recipe, weight: float | None = None) -> Source:
    """Looks the shards up and reads the head of each index.

    Raises:
        ValueError, FileNotFoundError: where a shard is missing, has no index, or changed since it was indexed.
    """
    return Source(name, tuple(read_headers(expand_urls(shards))), recipe, weight)
