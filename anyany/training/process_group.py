"""Leaving a process group in order."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist


@contextmanager
def closed_process_group() -> Iterator[None]:
    """Closes the process group at the end: without it gloo's threads now and then abort a process that has succeeded.

    After an error the other ranks may never come to a barrier, so there the group is left to the end of the process.
    """
    yield
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
