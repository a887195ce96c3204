"""What follows a run from outside of it, and has to be told that the run has ended."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def finished_trackers() -> Iterator[None]:
    """W&B writes its last lines when its run is finished, and until then takes the next run for the same one."""
    try:
        yield
    finally:
        if (wandb := sys.modules.get("wandb")) is not None and wandb.run is not None:
            wandb.finish()
