"""Which samples counted, step by step: the proof that a run neither lost nor repeated any.

Each rank appends one line a step to a file of its own, after the step has counted. A run that goes on from a checkpoint
first cuts every file back to the steps that the checkpoint holds.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anyany.messages.collate import Batch


@dataclass(frozen=True)
class Entry:
    """What one rank did in one step: (source, key) of the samples that counted, and of the holes with their kind."""

    step: int
    samples: list[tuple[str, str]]
    holes: list[tuple[str, str, str]]


class Ledger:
    """One rank's file in a run's ledger folder."""

    def __init__(self, folder: Path, rank: int):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / f"rank-{rank:05d}.jsonl", "a", encoding="utf-8")  # noqa: SIM115 - stays open

    def write(self, step: int, batches: Iterable[Batch]) -> None:
        """Adds the step's line and hands it to the operating system, where it outlives this process."""
        batches = list(batches)
        samples = [list(sample) for batch in batches for sample in batch.samples]
        holes = [[hole.source, hole.key, hole.kind] for batch in batches for hole in batch.holes]
        self._file.write(json.dumps({"step": step, "samples": samples, "holes": holes}) + "\n")
        self._file.flush()

    def sync(self) -> None:
        """The lines written so far outlive the machine too, as the checkpoint does that will count on them."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def cut(folder: Path, num_steps: int) -> int:
    """Drops every line from step ``num_steps`` on, and a line that a kill cut off. Returns how many bytes were dropped.

    Steps ascend within a file, so it is read from its end, and only as far back as lines are dropped.
    """
    dropped = 0
    for path in sorted(folder.glob("rank-*.jsonl")):
        size, end = path.stat().st_size, _end_of(path, num_steps)
        if end < size:
            os.truncate(path, end)
        dropped += size - end
    return dropped


def _end_of(path: Path, num_steps: int, chunk: int = 1 << 16) -> int:
    """The byte behind the last whole line of a step below ``num_steps``."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        while True:
            start = max(size - chunk, 0)
            file.seek(start)
            at = start + (len(file.readline()) if start else 0)  # from the first line that begins in the chunk
            ends = [at]
            for line in file.read().splitlines(keepends=True):
                if not line.endswith(b"\n") or json.loads(line)["step"] >= num_steps:
                    break
                ends.append(ends[-1] + len(line))
            if len(ends) > 1 or start == 0:
                return ends[-1]
            chunk *= 4


def entries(folder: Path) -> Iterator[Entry]:
    """All whole lines of all ranks."""
    for path in sorted(folder.glob("rank-*.jsonl")):
        with open(path, encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    continue  # a kill cut it off
                data = json.loads(line)
                samples = [(source, key) for source, key in data["samples"]]
                yield Entry(data["step"], samples, [(source, key, kind) for source, key, kind in data["holes"]])


@dataclass(frozen=True)
class Proof:
    """How the ledger compares with the plan; each difference is a (source, key) with the times it is off."""

    num_planned: int
    num_counted: int
    num_holes: int
    missing: Counter[tuple[str, str]]
    surplus: Counter[tuple[str, str]]

    @property
    def holds(self) -> bool:
        return not self.missing and not self.surplus


def prove(folder: Path, planned: Sequence[Sequence[tuple[str, str]]]) -> Proof:
    """Compares the ledger, step by step, with what was planned for steps 0, 1, ... (lists of (source, key)).

    Lines of later steps, behind the last checkpoint of a run that was killed, do not count: those samples come again.
    """
    wanted = Counter((step, *sample) for step, samples in enumerate(planned) for sample in samples)
    found: Counter[tuple[int, str, str]] = Counter()
    num_holes = 0
    for entry in entries(folder):
        if entry.step >= len(planned):
            continue
        found.update((entry.step, *sample) for sample in entry.samples)
        found.update((entry.step, source, key) for source, key, _ in entry.holes)
        num_holes += len(entry.holes)
    missing, surplus = (Counter({at[1:]: n for at, n in d.items()}) for d in (wanted - found, found - wanted))
    return Proof(wanted.total(), found.total() - num_holes, num_holes, missing, surplus)
