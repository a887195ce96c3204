"""A run's folder: what lies where."""

import re
from pathlib import Path

CHECKPOINTS, LEDGER, CONFIG, METRICS = "checkpoints", "ledger", "config.yaml", "metrics.json"
_STEP = re.compile(r"step=(\d+)\.ckpt$")


def latest_checkpoint(run: Path) -> Path | None:
    """The checkpoint of the highest step; None where there is none yet."""
    found = [(int(match[1]), path) for path in (run / CHECKPOINTS).glob("*.ckpt") if (match := _STEP.search(path.name))]
    return max(found)[1] if found else None


def checkpoint_name(step: int) -> str:
    """The file name of the checkpoint that holds ``step`` optimizer steps."""
    return f"step={step}.ckpt"


def checkpoint_step(path: Path) -> int:
    """How many optimizer steps a checkpoint holds, by its name."""
    match = _STEP.search(path.name)
    if match is None:
        raise ValueError(f"{path} is not named like a checkpoint (step=<number>.ckpt)")
    return int(match[1])
