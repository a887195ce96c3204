"""``make bench``: speed and memory as ratios within one run. Says what was measured, also where it falls short."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from tests.bench import gpu, loader, microworld, packing, preparation, training
from tests.bench.report import Figure

BENCHES: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "microworld": microworld.writing,
    "oracles": microworld.reading,
    "preparation": preparation.preparing,
    "loader": lambda folder: loader.against_bare_decoding(folder, "tiny", 600),
    "loader_full": lambda folder: loader.against_bare_decoding(folder, "full", 120),
    "resume": lambda folder: loader.resuming(folder, 3334),
    "memory": lambda folder: loader.memory(folder, 500, 5000),
    "packing": packing.filling,
    "caches": training.caches,
    "segments": training.segments,
    "packed_rows": training.packed_rows,
    "lightning": training.lightning,
}
ON_GPU: dict[str, Callable[[Path], Iterator[Figure]]] = {"gpu": gpu.stages}


def main(names: list[str]) -> int:
    known = BENCHES | ON_GPU
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no bench {unknown[0]!r}; there are {', '.join(known)}")
    if set(names) & ON_GPU.keys() and not torch.cuda.is_available():
        sys.exit("torch sees no GPU; `make bench` measures what a CPU can tell")
    short = 0
    for name in names or BENCHES:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            for figure in known[name](Path(folder)):
                short += not figure.holds
                sys.stdout.write(f"{figure}\n")
        sys.stdout.write(f"  ({name}: {time.perf_counter() - start:.0f} s)\n")
        sys.stdout.flush()
    sys.stdout.write(f"{short} figures fall short\n" if short else "all figures reached\n")
    return int(short > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
