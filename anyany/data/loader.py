"""What training sees of the data: optimizer steps, each with its micro-batches and the count of every loss term."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from anyany.data.plan import Cursor, Plan, Row, Step
from anyany.data.samples import SampleReader
from anyany.data.transport import PackedBatch, pack_batch, unpack_batch
from anyany.faults import UserError
from anyany.messages.collate import Batch, Hole, Sample, collate
from anyany.seeds import seed_of

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
    """Rows of references to a batch; what runs in a data worker. ``width`` pads every row to so many tokens."""

    def __init__(self, samples: SampleReader, width: int | None = None):
        self.samples = samples
        self.width = width
        self.dummies = {
            name: torch.zeros(p.output_shape, dtype=p.output_dtype) for name, p in samples.preprocess.items()
        }
        self.dummies |= {n: torch.zeros(c.item_shape, dtype=torch.float16) for n, c in samples.features.items()}

    def __getitem__(self, rows: list[Row]) -> PackedBatch:
        return pack_batch(self.batch(rows))

    def batch(self, rows: list[Row]) -> Batch:
        read = [[self.samples.read(ref) for ref in row] for row in rows]
        filled = [[sample for sample in row if isinstance(sample, Sample)] for row in read]
        holes = [hole for row in read for hole in row if isinstance(hole, Hole)]
        return collate(filled, self.samples.vocabulary, self.dummies, self.width, holes)


class FaultGuard:
    """Counts holes by kind and source, logs each key once, and stops a run when a source has too many.

    Args:
        max_rate: share of a source's records that may be faulty.
        window: a source is judged over about its last so many records, so that one that breaks down late is noticed.
        min_records: how many of a source's records must have been seen before it is judged.
        max_logged: keys named in the log; further ones are only counted.
    """

    def __init__(self, max_rate: float = 0.05, window: int = 2000, min_records: int = 200, max_logged: int = 1000):
        self.max_rate, self.window, self.min_records, self.max_logged = max_rate, window, min_records, max_logged
        self.holes: Counter[tuple[str, str]] = Counter()  # (source, kind), of the whole run
        self._seen: Counter[str] = Counter()  # by source, within the window
        self._faulty: Counter[str] = Counter()
        self._logged: set[tuple[str, str]] = set()  # in the next epoch the same records fail again

    def see(self, batch: Batch) -> None:
        self._seen.update(source for source, _ in batch.samples)
        for hole in batch.holes:
            self._seen[hole.source] += 1
            self._faulty[hole.source] += 1
            self.holes[hole.source, hole.kind] += 1
            self._log(hole)
        for source in {hole.source for hole in batch.holes}:
            self._judge(source)
        for source in [source for source, seen in self._seen.items() if seen > self.window]:
            self._seen[source] //= 2
            self._faulty[source] //= 2

    def _judge(self, source: str) -> None:
        seen, faulty = self._seen[source], self._faulty[source]
        if seen >= self.min_records and faulty > self.max_rate * seen:
            kinds = ", ".join(f"{kind} {n}" for (name, kind), n in self.holes.most_common() if name == source)
            raise UserError(
                f"source {source}: {faulty} of the last {seen} records could not be read ({kinds} in all), more than "
                f"max_fault_rate={self.max_rate}; mend or leave out the source, or raise the limit"
            )

    def _log(self, hole: Hole) -> None:
        at = (hole.source, hole.key)
        if at in self._logged or len(self._logged) > self.max_logged:
            return
        self._logged.add(at)
        log.warning("source %s, record %s: %s (%s)", hole.source, hole.key, hole.kind, hole.message)
        if len(self._logged) > self.max_logged:
            log.warning("%d faulty records named; further ones are only counted", self.max_logged)


def check_split(num_ranks: int, num_micro: int, global_batch: int) -> None:
    """
    Raises:
        UserError: where the global batch does not divide into ranks and micro-batches.
    """
    if global_batch % (num_ranks * num_micro):
        raise UserError(
            f"global_batch={global_batch} does not divide into {num_ranks} ranks x {num_micro} micro-batches; "
            f"choose a multiple of {num_ranks * num_micro}"
        )


def share_of(step: Step, rank: int, num_ranks: int, num_micro: int, global_batch: int) -> list[list[Row]]:
    """The rows of each of a rank's micro-batches. A short step is filled up with empty rows, so all have one shape."""
    check_split(num_ranks, num_micro, global_batch)
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
        UserError: where the global batch does not divide into ranks and micro-batches.
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
        check_split(num_ranks, num_micro, plan.global_batch)  # before anything is read
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
                seed = seed_of("step", self.plan.seed, step.index)
                batches = [replace(micro, seed=seed) for micro in arrived]
                yield StepBatch(step.index, step.after, batches, dict(counts))
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
            UserError: the state is of another plan, in which its cursor means nothing; names what differs.
        """
        here = self.plan.fingerprint()
        if differing := [name for name in here if here[name] != state["plan"].get(name)]:
            told = "; ".join(f"{name} was {state['plan'].get(name)}, is {here[name]}" for name in differing)
            raise UserError(f"the checkpoint was taken from another stream ({told}); restore these or start a new run")
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
