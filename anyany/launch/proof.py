"""Holds a run's ledger against its plan: ``python -m anyany.launch.proof outputs/<experiment>/<run>``.

Every sample that was planned up to the last checkpoint must have counted, or left a hole, exactly once.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from anyany.data.ledger import Proof, entries, prove
from anyany.faults import UserError
from anyany.launch.stored import existing, last_stage, stored_config
from anyany.runs import LEDGER, checkpoint_step, latest_checkpoint

SHOWN = 5  # of the samples that are lost or repeated


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m anyany.launch.proof", description=(__doc__ or "").split(":")[0])
    parser.add_argument("run", type=Path, help="the folder of the run, or of one of its stages")
    run = parser.parse_args(arguments).run
    try:
        run = last_stage(existing(run))
        proof, num_steps = proof_of(run)
    except UserError as error:
        sys.exit(str(error))
    sys.stdout.writelines(f"{line}\n" for line in told(run, proof, num_steps))
    return int(not proof.holds)


def proof_of(run: Path) -> tuple[Proof, int]:
    """The proof of a run, and the number of steps that its last checkpoint holds.

    Raises:
        UserError: there is no checkpoint.
    """
    from anyany.launch.experiment import assembled, data_of

    checkpoint = latest_checkpoint(run)
    if checkpoint is None:
        raise UserError(f"{run} has no checkpoint yet; there is nothing to prove")
    config = stored_config(run)
    data = data_of(config, assembled(config), val_split=None)
    num_steps = checkpoint_step(checkpoint)
    planned = [
        [
            (source.name, data.reader.key(source.urls[ref.shard], ref.record))
            for row in step.rows
            for ref in row
            for source in [data.sources[ref.source]]
        ]
        for step in islice(data.plan.steps(), num_steps)
    ]
    return prove(run / LEDGER, planned), num_steps


def told(run: Path, proof: Proof, num_steps: int) -> Iterator[str]:
    """The proof in a few lines."""
    yield f"{run}: {num_steps} steps, {proof.num_planned} samples planned"
    yield f"counted  {proof.num_counted}"
    kinds: dict[str, int] = {}
    for entry in entries(run / LEDGER):
        for source, _, kind in entry.holes if entry.step < num_steps else ():
            kinds[f"{source} {kind}"] = kinds.get(f"{source} {kind}", 0) + 1
    named = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
    yield f"holes    {proof.num_holes}" + (f" ({named})" if named else "")
    for name, off in (("lost", proof.missing), ("repeated", proof.surplus)):
        shown = ", ".join(f"{source}/{key}" for source, key in list(off)[:SHOWN])
        yield f"{name:8} {off.total()}" + (f" ({shown}{', ...' if len(off) > SHOWN else ''})" if off else "")
    yield "every planned sample exactly once" if proof.holds else "NOT every planned sample exactly once"


if __name__ == "__main__":
    sys.exit(main())
