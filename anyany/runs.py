"""A run's folder: one folder for each stage, and what they trained side by side in ``deltas``."""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anyany.faults import UserError

CHECKPOINTS, LEDGER, CONFIG, LOCK, COST = "checkpoints", "ledger", "config.yaml", "lock", "cost.json"
SAMPLES = "samples"  # what a model made while it was trained
STAGES = ("enc_align", "dec_align", "instruct")
DELTAS = "deltas"
_STEP = re.compile(r"step=(\d+)\.ckpt$")


def stage_folders(run: Path) -> list[Path]:
    """Of the stages that were begun, in their order."""
    return [run / stage for stage in STAGES if (run / stage / CONFIG).is_file()]


def delta_folder(folder: Path, stage: str) -> Path:
    """Where the delta of a stage lies, seen from the folder of any stage of the run."""
    return folder.parent / DELTAS / stage


def previous_delta(folder: Path, stage: str) -> Path | None:
    """The delta of the last stage before this one that has left one."""
    found = [delta_folder(folder, name) for name in STAGES[: STAGES.index(stage)]]
    return next((path for path in reversed(found) if path.is_dir()), None)


def unended(run: Path) -> list[str]:
    """The stages that were begun and have left no delta."""
    return [folder.name for folder in stage_folders(run) if not delta_folder(folder, folder.name).is_dir()]


def latest_checkpoint(run: Path) -> Path | None:
    """The checkpoint of the highest step; None where there is none yet."""
    found = [(int(match[1]), path) for path in (run / CHECKPOINTS).glob("*.ckpt") if (match := _STEP.search(path.name))]
    return max(found)[1] if found else None


def resuming(run: Path) -> str:
    """What a stage's command needs to go on, behind ``give the same command again``: nothing where nothing is saved."""
    return f" with run={run.parent.name} resume=true" if latest_checkpoint(run) else ""


def checkpoint_name(step: int) -> str:
    """The file name of the checkpoint that holds ``step`` optimizer steps."""
    return f"step={step}.ckpt"


def checkpoint_step(path: Path) -> int:
    """How many optimizer steps a checkpoint holds, by its name."""
    match = _STEP.search(path.name)
    if match is None:
        raise ValueError(f"{path} is not named like a checkpoint (step=<number>.ckpt)")
    return int(match[1])


@contextmanager
def claimed(run: Path) -> Iterator[None]:
    """The run's folder for this process alone, until it leaves or dies.

    Raises:
        UserError: another process holds it.
    """
    run.mkdir(parents=True, exist_ok=True)
    with open(run / LOCK, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"another process is training in {run}; wait for it, or give another run=<name>") from error
        yield
