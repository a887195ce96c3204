"""What comes when: a pure function of (seed, epoch) over the indices, made block by block.

An epoch draws ``draws[s]`` records of source s. It is cut into blocks of about ``block_samples`` draws; a block takes
the same share of every source, shuffles it, and joins samples into rows (one sample a row, or packed). Steps take
``global_batch`` rows one after the other. No block depends on another, so starting anywhere costs one block, and the
whole state of the stream is a ``Cursor``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from anyany.data.order import Ref, SourceOrder
from anyany.data.packing import pack
from anyany.seeds import rng_of

Row = list[Ref]


class Cursor(NamedTuple):
    """The next row that the stream will give, and how many steps it has given. The same on every rank."""

    epoch: int = 0
    block: int = 0
    row: int = 0
    step: int = 0


@dataclass(frozen=True)
class Step:
    """The rows of one optimizer step over all ranks, and the cursor behind it."""

    rows: list[Row]
    after: Cursor

    @property
    def index(self) -> int:
        return self.after.step - 1


class Lengths(Protocol):
    """Token counts of records. ``digest`` changes with everything that decides them."""

    @property
    def digest(self) -> str: ...

    def __call__(self, refs: Sequence[Ref]) -> Sequence[int]: ...


class Plan:
    """The endless sequence of steps.

    Args:
        orders: one a source.
        weights: relative weights of the sources; None draws every record of every source once an epoch.
        global_batch: rows of a step over all ranks; the last step of an epoch may have fewer.
        draws_per_epoch: how many records an epoch draws; by default as many as all sources hold.
        lengths: together with ``max_tokens``, the length of a row, packs short samples into rows. None: one a row.
    """

    def __init__(
        self,
        orders: Sequence[SourceOrder],
        global_batch: int,
        seed: int = 0,
        weights: Sequence[float] | None = None,
        draws_per_epoch: int | None = None,
        block_samples: int = 4096,
        lengths: Lengths | None = None,
        max_tokens: int | None = None,
        shuffle: bool = True,
    ):
        if not orders:
            raise ValueError("the mixture has no source; give at least one")
        if global_batch < 1:
            raise ValueError(f"global_batch is {global_batch}; give at least 1")
        if (lengths is None) != (max_tokens is None):
            raise ValueError("packing needs both lengths and max_tokens; give both or neither")
        self.orders = list(orders)
        self.global_batch = global_batch
        self.seed = seed
        self.lengths, self.max_tokens = lengths, max_tokens
        self.shuffle = shuffle
        self.draws = _draws([order.num_records for order in orders], weights, draws_per_epoch)
        self.num_blocks = -(-sum(self.draws) // block_samples)
        self.block_samples = block_samples

    def fingerprint(self) -> dict[str, Any]:
        """What a cursor's meaning depends on, as plain data: a cursor of another plan is refused by comparing it."""
        return {
            "seed": self.seed,
            "global_batch": self.global_batch,
            "block_samples": self.block_samples,
            "max_tokens": self.max_tokens,
            "shuffle": self.shuffle,
            "lengths": self.lengths.digest if self.lengths is not None else None,
            "sources": [order.name for order in self.orders],
        } | {
            f"source {order.name}": {
                "records": order.num_records,
                "draws": draws,
                "shards": order.digest,
                "window_shards": order.window_shards,
            }
            for order, draws in zip(self.orders, self.draws, strict=True)
        }

    def block(self, epoch: int, block: int) -> list[Row]:
        """The rows of one block."""
        refs = list(self._refs(epoch, block))
        if self.shuffle:
            shuffled = rng_of(self.seed, epoch, block, "samples").permutation(len(refs))
            refs = [refs[i] for i in shuffled.tolist()]
        if self.lengths is None or self.max_tokens is None:
            return [[ref] for ref in refs]
        rows = [[refs[i] for i in row] for row in pack(self.lengths(refs), self.max_tokens)]
        if self.shuffle:  # packing leaves the rows sorted by length
            shuffled = rng_of(self.seed, epoch, block, "rows").permutation(len(rows))
            rows = [rows[i] for i in shuffled.tolist()]
        return rows

    def steps(self, cursor: Cursor = Cursor(), num_epochs: int | None = None) -> Iterator[Step]:
        """The steps from ``cursor`` on, for ever or until epoch ``num_epochs``."""
        epoch, block, row, step = cursor
        rows: list[Row] = []
        while num_epochs is None or epoch < num_epochs:
            planned = self.block(epoch, block) if block < self.num_blocks else []
            while row < len(planned):
                taken = planned[row : row + self.global_batch - len(rows)]
                rows += taken
                row += len(taken)
                if len(rows) == self.global_batch:
                    step += 1
                    yield Step(rows, self._after(epoch, block, row, len(planned), step))
                    rows = []
            block, row = block + 1, 0
            if block >= self.num_blocks:
                epoch, block = epoch + 1, 0
                if rows:  # the last, short step of an epoch
                    step += 1
                    yield Step(rows, Cursor(epoch, 0, 0, step))
                    rows = []

    def num_steps(self, num_epochs: int) -> int:
        """How many steps so many epochs have: plans every block where samples are packed, else arithmetic."""
        if self.lengths is None:
            return num_epochs * -(-sum(self.draws) // self.global_batch)
        rows = (sum(len(self.block(e, b)) for b in range(self.num_blocks)) for e in range(num_epochs))
        return sum(-(-n // self.global_batch) for n in rows)

    def _after(self, epoch: int, block: int, row: int, planned: int, step: int) -> Cursor:
        """The cursor behind a row, normalised: one place has one cursor."""
        if row < planned:
            return Cursor(epoch, block, row, step)
        return Cursor(epoch, block + 1, 0, step) if block + 1 < self.num_blocks else Cursor(epoch + 1, 0, 0, step)

    def _refs(self, epoch: int, block: int) -> Iterator[Ref]:
        for source, (order, draws) in enumerate(zip(self.orders, self.draws, strict=True)):
            # Cumulative shares meet exactly at the end of the epoch, whatever does not divide.
            start, stop = (epoch * draws + draws * b // self.num_blocks for b in (block, block + 1))
            yield from (Ref(source, shard, record) for shard, record in order.take(start, stop))


def _draws(sizes: Sequence[int], weights: Sequence[float] | None, total: int | None) -> list[int]:
    """Records an epoch draws of each source: largest remainders, at least one each."""
    if weights is None:
        if total is not None:
            raise ValueError("draws_per_epoch without weights; without weights an epoch is every record once")
        return list(sizes)
    if len(weights) != len(sizes) or min(weights) <= 0:
        raise ValueError(f"weights {list(weights)} for {len(sizes)} sources; give a positive one for each")
    total = total or sum(sizes)
    if total < len(sizes):
        raise ValueError(f"draws_per_epoch={total} for {len(sizes)} sources; give at least one draw each")
    shares = np.asarray(weights, float) / sum(weights) * total
    draws = np.maximum(np.floor(shares).astype(int), 1)
    while draws.sum() < total:
        draws[np.argmax(shares - draws)] += 1
    while draws.sum() > total:  # where sources were raised to one draw
        draws[np.argmax(np.where(draws > 1, draws - shares, -np.inf))] -= 1
    return draws.tolist()
