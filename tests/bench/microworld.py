"""How quickly the microworld is written and read back."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.levels import LEVELS, Level, sample_scene
from anyany.microworld.oracles import ORACLES
from anyany.microworld.records import render
from anyany.seeds import rng_of
from data_prep.microworld import parse, plan, write_all
from tests.bench.report import Figure


def writing(folder: Path) -> Iterator[Figure]:
    """All sets of a split, as ``python -m data_prep.microworld`` writes them, in two processes."""
    for level in ("easy", "standard", "hard"):
        arguments = ["--out", str(folder), "--level", level, "--train", "800", "--val", "0", "--test", "0"]
        args = parse([*arguments, "--test-novel", "0", "--shard", "100"])
        shards = list(plan(args, folder / level))
        media = [shard for shard in shards if not shard.set_name.startswith("text")]
        for name, chosen in (("all sets", shards), ("media and dialogues", media)):
            for shard in chosen:
                Path(shard.path).unlink(missing_ok=True)
            start = time.perf_counter()
            write_all(chosen, workers=2)
            rate = sum(shard.last - shard.first for shard in chosen) / (time.perf_counter() - start)
            yield Figure(f"records written a second, {level}, {name}", rate, at_least=200)


def reading(folder: Path) -> Iterator[Figure]:
    """How many media a second the oracles read, on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for level in LEVELS.values():
        for modality, read in ORACLES.items():
            decoded = [_decoded(modality, level, number) for number in range(40)]
            start = time.perf_counter()
            for media in decoded:
                read(media)
            yield Figure(f"{modality} read a second, {level.name}", len(decoded) / (time.perf_counter() - start))
    torch.set_num_threads(threads)


def _decoded(modality: str, level: Level, number: int) -> Any:
    rng = rng_of("bench", modality, level.name, number)
    data = render(sample_scene(modality, level, rng), level, rng)
    return MEDIA[modality].decode(data, MediaSpec(level.num_frames, level.sample_rate_hz))
