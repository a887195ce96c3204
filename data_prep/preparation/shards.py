"""Rows of a list -> tar shards, each on its own: another process, machine or day writes the next one.

A shard takes a fixed stretch of the list, so it is the same whoever writes it. Beside it lie its index and its report
(what it was offered, what it holds, what was left out and why); it counts as written when all three are there.
"""

import json
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyany.files import write_whole
from data_prep.preparation.drafts import Draft, LeftOut, Row
from data_prep.preparation.media_folder import MediaFolders

if TYPE_CHECKING:
    from concurrent.futures import Future

Record = Callable[[Any, MediaFolders, bool], Draft]  # entry, folders, keep_text -> the members of its record


@dataclass(frozen=True)
class Job:
    """One shard to write: its path, and the rows that it takes."""

    path: str
    rows: tuple[Row, ...]


def jobs_of(rows: Iterable[tuple[str, Row]], folder: Path, name: str, shard_size: int) -> Iterator[Job]:
    """Cuts the rows of each split, which stands before each row, into shards ``<folder>/<split>/<name>-00000.tar``."""
    waiting: dict[str, list[Row]] = {}
    numbers: Counter[str] = Counter()

    def taken(split: str) -> Job:
        path = folder / split / f"{name}-{numbers[split]:05d}.tar"
        numbers[split] += 1
        return Job(str(path), tuple(waiting.pop(split)))

    for split, row in rows:
        waiting.setdefault(split, []).append(row)
        if len(waiting[split]) == shard_size:
            yield taken(split)
    for split in list(waiting):
        yield taken(split)


def report_path(path: str) -> Path:
    return Path(f"{path}.report.json")


def done(jobs: Iterable[Job], write: Callable[[Job], None], workers: int) -> Iterator[Job]:
    """Each job when it has been done. Few wait in memory: a list is read no faster than its shards are written."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    if workers == 1:
        for job in jobs:
            write(job)
            yield job
        return
    waiting: deque[tuple[Job, Future]] = deque()
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_finish_at_ctrl_c)
    try:
        for job in jobs:
            waiting.append((job, pool.submit(write, job)))
            if len(waiting) > 2 * workers:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _finish_at_ctrl_c() -> None:
    """A process ends the shard in hand; the one that it works for starts no further one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _first(waiting: deque[tuple[Job, "Future"]]) -> Job:
    job, future = waiting.popleft()
    future.result()
    return job


def is_written(path: str) -> bool:
    return all(Path(each).exists() for each in (path, f"{path}.index.jsonl", report_path(path)))


def write_shard(job: Job, record: Record, media: MediaFolders, keep_text: bool) -> None:
    """Writes a shard, its report and its index, each under a temporary name that is then changed."""
    from webdataset import TarWriter

    from anyany.data.index import write_index

    left_out: list[tuple[Row, LeftOut]] = []
    notes: Counter[str] = Counter()
    path, temporary = Path(job.path), f"{job.path}.{os.getpid()}.tmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(temporary, "wb") as file, TarWriter(file, encoder=False, mtime=0) as tar:
            for row in job.rows:
                try:
                    draft = _drafted(row, record, media, keep_text)
                except LeftOut as fault:
                    left_out.append((row, fault))
                else:
                    notes.update(draft.notes)
                    tar.write({"__key__": row.key, **draft.members})
        write_json(report_path(job.path), _report(job, left_out, notes))
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    write_index(path, force=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=1) + "\n")


def _drafted(row: Row, record: Record, media: MediaFolders, keep_text: bool) -> Draft:
    if row.fault:
        raise row.fault
    return record(row.data, media, keep_text)


def _report(job: Job, left_out: list[tuple[Row, LeftOut]], notes: Counter[str]) -> dict[str, Any]:
    return {
        "listed": len(job.rows),
        "written": len(job.rows) - len(left_out),
        "left_out": dict(sorted(Counter(fault.kind for _, fault in left_out).items())),
        "notes": dict(sorted(notes.items())),
        "entries": [
            {"list": row.list_name, "number": row.number, "key": row.key, "kind": fault.kind, "message": str(fault)}
            for row, fault in left_out
        ],
    }
