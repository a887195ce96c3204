"""In which order the records of one source come, pass after pass.

A pass goes through every record once. Shards come in random order, and records are shuffled within windows of several
shards, so that any stretch of the order touches few shards and costs the same to compute wherever it lies.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anyany.faults import UserError
from anyany.seeds import digest_of, rng_of

Ints = NDArray[np.int64]


class Ref(NamedTuple):
    """A record by number: which source, which of its shards, which record of the shard."""

    source: int
    shard: int
    record: int


class SourceOrder:
    """The endless order of one source: position p is in pass ``p // num_records``. A pure function of its arguments.

    Args:
        shard_sizes: records that each shard holds.
        digest: of the shards and what is dropped, where they are more than these numbers.
        drops: by shard, the records that do not occur in the order; the others keep their numbers.
    """

    def __init__(
        self,
        name: str,
        shard_sizes: Sequence[int],
        seed: int,
        window_shards: int = 8,
        shuffle: bool = True,
        digest: str = "",
        drops: Mapping[int, Sequence[int]] | None = None,
    ):
        self.name = name
        self.drops = {shard: tuple(records) for shard, records in sorted((drops or {}).items())}
        self.shard_sizes = np.asarray(shard_sizes, np.int64)
        self.sizes = self.shard_sizes.copy()  # without what is dropped
        for shard, records in self.drops.items():
            self.sizes[shard] -= len(records)
        self.digest = digest or digest_of(*self.sizes.tolist(), *self.drops.items()).hex()
        self.seed = seed
        self.window_shards = window_shards
        self.shuffle = shuffle
        self.num_records = int(self.sizes.sum())
        if self.num_records == 0:
            num_dropped = sum(map(len, self.drops.values()))
            why = f": its drop list leaves out all {num_dropped}" if num_dropped else ""
            raise UserError(
                f"source {name!r} has no records in {len(self.sizes)} shards{why}; leave it out of the mixture"
            )
        # Two passes can meet in one block, hence room for more than one.
        self._shards_of = lru_cache(maxsize=2)(self._shards)
        self._window_of = lru_cache(maxsize=4)(self._window)

    def take(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """(shard, record) of the positions ``start .. stop - 1``."""
        position = start
        while position < stop:
            pass_, offset = divmod(position, self.num_records)
            _, ends = self._shards_of(pass_)
            window = int(np.searchsorted(ends, offset, side="right"))
            first = int(ends[window - 1]) if window else 0
            records = self._window_of(pass_, window)[offset - first : offset - first + stop - position]
            yield from map(tuple, records.tolist())
            position += len(records)

    def _shards(self, pass_: int) -> tuple[Ints, Ints]:
        """The pass's order of shards, and where each window of them ends."""
        shards = np.arange(len(self.sizes))
        if self.shuffle:
            shards = rng_of(self.seed, self.name, pass_, "shards").permutation(shards)
        ends = np.cumsum(self.sizes[shards])
        last = np.append(np.arange(self.window_shards - 1, len(shards) - 1, self.window_shards), len(shards) - 1)
        return shards, ends[last]

    def _window(self, pass_: int, window: int) -> Ints:
        """[records of the window, 2]: shard and record, shuffled."""
        shards, _ = self._shards_of(pass_)
        chosen = shards[window * self.window_shards : (window + 1) * self.window_shards]
        records = [np.delete(np.arange(self.shard_sizes[s]), self.drops.get(s, ())) for s in chosen]
        pairs = np.concatenate([np.stack([np.full(len(r), s), r], 1) for s, r in zip(chosen, records, strict=True)])
        if self.shuffle:
            pairs = rng_of(self.seed, self.name, pass_, "window", window).permutation(pairs)
        return pairs
