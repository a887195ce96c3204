"""What answers an evaluation: the model in this process, or in several that each hold it."""

import os
import pickle
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import torch

from anyany.evaluation.asking import Each, Job
from anyany.launch.running import generator_of
from anyany.models.generate import Generator


@contextmanager
def side_by_side(run: Path, processes: int, bf16: bool) -> Iterator[Each]:
    """Does jobs in processes of their own, as they come free; each reads the run from its folder."""
    threads = max(1, torch.get_num_threads() // processes)
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (run, threads, bf16)) as pool:
        try:
            yield lambda jobs: _done(pool, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


def _done(pool: ProcessPoolExecutor, jobs: Sequence[Job]) -> Iterator[Any]:
    for result in pool.map(_do, jobs):
        yield pickle.loads(result)  # of this program's own processes, never from a file or a request


_generator: Generator  # of such a process


def end_with_parent() -> None:
    """A process of a pool waits for jobs for ever once its parent was killed; from here on it ends with it."""
    parent = parent_process()
    assert parent is not None, "only for a process that multiprocessing started"

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _begin(run: Path, threads: int, bf16: bool) -> None:
    global _generator
    end_with_parent()
    torch.set_num_threads(threads)
    _generator = generator_of(run, bf16)


def _do(job: Job) -> bytes:
    """Pickled as bytes: a tensor by itself would go by shared memory, a file handle each."""
    return pickle.dumps(job(_generator))
