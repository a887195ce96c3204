"""Preparing, indexing and verifying shards, against copying the same bytes."""

import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from data_prep import cc3m, index, verify
from tests.bench.loader import media_of
from tests.bench.report import Figure

NUM, DISTINCT = 3000, 24


def preparing(folder: Path) -> Iterator[Figure]:
    """3,000 pictures of 256 pixels as CC3M's list and a folder of downloads give them, in one process."""
    files = [media_of("image", "full", n) for n in range(DISTINCT)]
    downloads = folder / "training"
    downloads.mkdir()
    for number in range(NUM):
        (downloads / f"{number:09d}.jpg").write_bytes(files[number % DISTINCT])
    rows = (f"a caption of some words, number {n}\thttp://host/{n}\n" for n in range(NUM))
    listed = folder / "train.tsv"
    listed.write_text("".join(rows))
    _copy(downloads, folder / "warm")  # so that both read from memory
    copying_s = min(_timed(lambda: _copy(downloads, folder / "copied")) for _ in range(2))
    arguments = ["--list", str(listed), "--media", str(downloads), "--out", str(folder / "out"), "--workers", "1"]
    preparing_s = _timed(lambda: cc3m.main(arguments))
    detail = f"{NUM / preparing_s:.0f} records/s, copying {NUM / copying_s:.0f}"
    yield Figure("preparing pictures against copying their bytes", copying_s / preparing_s, detail=detail)
    shards = f"{folder}/out/train/*.tar"
    indexing_s = _timed(lambda: index.main([shards, "--workers", "1", "--force"]))
    detail = f"{NUM / indexing_s:.0f} records/s"
    yield Figure("indexing them against copying their bytes", copying_s / indexing_s, detail=detail)
    verifying_s = _timed(lambda: verify.main([shards, "--workers", "1"]))
    detail = f"{NUM / verifying_s:.0f} records/s"
    yield Figure("verifying them against copying their bytes", copying_s / verifying_s, detail=detail)


def _copy(source: Path, target: Path) -> None:
    """All files into one, as a shard holds them."""
    with open(target, "wb") as out:
        for path in sorted(source.iterdir()):
            out.write(path.read_bytes())


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        assert work() in (0, None)
    return time.perf_counter() - start
