"""What training sees of the data: optimizer steps, each with its micro-batches and the count of every loss term."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from anyany.data.plan import Cursor, Plan, Row, Step
from anyany.data.samples import SampleReader
from anyany.data.transport import PackedBatch, pack_batch, unpack_batch
from anyany.messages.collate import Batch, Hole, Sample, collate

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepBatch:
    """One rank's part of an optimizer step. ``counts`` are this rank's; ``after`` is the stream's state behind it."""

    index: int
    after: Cursor
    micro_batches: list[Batch]
    counts: dict[str, int]

    def to(self, device: torch.device | str) -> "StepBatch":
        return StepBatch(self.index, self.after, [batch.to(device) for batch in self.micro_batches], self.counts)


class MicroBatches(Dataset[PackedBatch]):
    """Rows of references to a batch; what runs in a data worker. ``num_tokens`` fixes the width of every row."""

    def __init__(self, samples: SampleReader, num_tokens: int | None = None):
        self.samples = samples
        self.num_tokens = num_tokens
        self.dummies = {
            name: torch.zeros(p.output_shape, dtype=p.output_dtype) for name, p in samples.preprocess.items()
        }

    def __getitem__(self, rows: list[Row]) -> PackedBatch:
        return pack_batch(self.batch(rows))

    def batch(self, rows: list[Row]) -> Batch:
        read = [[self.samples.read(ref) for ref in row] for row in rows]
        filled = [[sample for sample in row if isinstance(sample, Sample)] for row in read]
        holes = [hole for row in read for hole in row if isinstance(hole, Hole)]
        return collate(filled, self.samples.vocabulary, self.dummies, self.num_tokens, holes)


class FaultGuard:
    """Counts holes by kind and source, logs each key once, and stops a run in which they are too many.

    Args:
        max_rate: share of records that may be faulty.
        min_records: how many records must have been seen before the share is judged.
    """

    def __init__(self, max_rate: float = 0.05, min_records: int = 200):
        self.max_rate, self.min_records = max_rate, min_records
        self.num_records = 0
        self.holes: Counter[tuple[str, str]] = Counter()
        self.logged: set[tuple[str, str]] = set()  # in the next epoch the same records fail again

    def see(self, batch: Batch) -> None:
        self.num_records += len(batch.samples) + len(batch.holes)
        for hole in batch.holes:
            self.holes[hole.source, hole.kind] += 1
            if (hole.source, hole.key) not in self.logged:
                self.logged.add((hole.source, hole.key))
                log.warning("source %s, record %s: %s (%s)", hole.source, hole.key, hole.kind, hole.message)
        faulty = self.holes.total()
        if self.num_records >= self.min_records and faulty > self.max_rate * self.num_records:
            kinds = ", ".join(f"{source}/{kind} {n}" for (source, kind), n in self.holes.most_common(5))
            raise ValueError(
                f"{faulty} of {self.num_records} records could not be read ({kinds}), more than "
                f"max_fault_rate={self.max_rate}; mend or leave out the source, or raise the limit"
            )


def share_of(step: Step, rank: int, num_ranks: int, num_micro: int, global_batch: int) -> list[list[Row]]:
    """The rows of each of a rank's micro-batches. A short step is filled up with empty rows, so all have one shape.

    Raises:
        ValueError: where the global batch does not divide.
    """
    if global_batch % (num_ranks * num_micro):
        raise ValueError(
            f"global_batch={global_batch} does not divide into {num_ranks} ranks x {num_micro} micro-batches; "
            f"choose a multiple of {num_ranks * num_micro}"
        )
    rows: list[Row] = [*step.rows, *([[]] * (global_batch - len(step.rows)))]
    mine = rows[rank::num_ranks]
    return [mine[micro::num_micro] for micro in range(num_micro)]


class StepLoader:
    """A rank's steps from a cursor on, and the state from which another run goes on.

    Workers decode ahead. The cursor moves when a step has been trained on (``counted``), not when it is handed over, so
    what was decoded ahead comes again after a stop. The state is the same on every rank and fits any number of them.

    Args:
        num_steps: of the whole run, those before the cursor included.
        num_micro: micro-batches of a step on each rank.
        num_workers: decoding processes; each holds ``prefetch`` micro-batches ready.

    Raises:
        ValueError: where the global batch does not divide into ranks and micro-batches.
    """

    def __init__(
        self,
        plan: Plan,
        micro_batches: MicroBatches,
        num_steps: int,
        cursor: Cursor = Cursor(),
        rank: int = 0,
        num_ranks: int = 1,
        num_micro: int = 1,
        num_workers: int = 0,
        prefetch: int = 4,
        guard: FaultGuard | None = None,
    ):
        self.plan = plan
        self.cursor = cursor
        self.num_steps = num_steps
        self.share = (rank, num_ranks, num_micro, plan.global_batch)
        share_of(Step([], cursor), *self.share)  # refuses what does not divide before anything is read
        self.num_micro = num_micro
        self.guard = guard or FaultGuard()
        self._options = {"num_workers": num_workers, "pin_memory": torch.cuda.is_available()}
        if num_workers:
            self._options["prefetch_factor"] = prefetch
        self.micro_batches = micro_batches

    def __len__(self) -> int:
        """Steps of the whole run, those before the cursor included: a trainer counts from the beginning."""
        return self.num_steps

    def __iter__(self) -> Iterator[StepBatch]:
        planned: list[Step] = []  # handed to the workers, not yet come back
        loader = DataLoader(
            self.micro_batches,
            batch_size=None,
            sampler=_Shares(self, planned),
            worker_init_fn=_one_thread,
            **self._options,  # type: ignore[arg-type]
        )
        arrived: list[Batch] = []
        for packed in loader:
            batch = unpack_batch(packed)
            self.guard.see(batch)
            arrived.append(batch)
            if len(arrived) == self.num_micro:
                step = planned.pop(0)
                counts: Counter[str] = Counter()
                for micro in arrived:
                    counts.update(micro.counts)
                yield StepBatch(step.index, step.after, arrived, dict(counts))
                arrived = []

    def counted(self, step: StepBatch) -> None:
        """The step has been trained on: the next run starts behind it."""
        self.cursor = step.after

    def state_dict(self) -> dict[str, Any]:
        """Plain data, small whatever the size of the sources."""
        return {"cursor": list(self.cursor), "plan": self.plan.fingerprint()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where the state was taken.

        Raises:
            ValueError: the state is of another plan, in which its cursor means nothing; names what differs.
        """
        here = self.plan.fingerprint()
        if differing := [name for name in here if here[name] != state["plan"].get(name)]:
            told = "; ".join(f"{name} was {state['plan'].get(name)}, is {here[name]}" for name in differing)
            raise ValueError(f"the checkpoint was taken from another stream ({told}); restore these or start a new run")
        self.cursor = Cursor(*state["cursor"])

    def steps(self) -> Iterator[Step]:
        """The plan's steps that are still to come."""
        for step in self.plan.steps(self.cursor):
            if step.index >= self.num_steps:
                return
            yield step


class _Shares:
    """The sampler: the rows of every micro-batch of this rank, planned as the workers ask for them."""

    def __init__(self, loader: StepLoader, planned: list[Step]):
        self.loader, self.planned = loader, planned

    def __iter__(self) -> Iterator[list[Row]]:
        for step in self.loader.steps():
            self.planned.append(step)
            yield from share_of(step, *self.loader.share)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)  # as many workers as cores already
