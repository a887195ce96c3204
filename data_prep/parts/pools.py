"""Pools: decoded records of the microworld's training split, to draw batches from.

A record has been through its file format and back, as in a shard. A pool is chunks of records, each a safetensors file
whose header holds the scenes; chunks that are there are kept, so filling a pool can be stopped and started again.

Shape letters: N records, F frames, P pixels, S samples of sound.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from anyany.files import whole
from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.levels import LEVELS
from anyany.microworld.records import make_record
from anyany.microworld.scenes import Scene, from_json
from anyany.microworld.turns import EXTENSIONS
from data_prep.microworld import code_digest

SEED = 0  # the world's, as data_prep.microworld has it by default
CHUNK = 500
TRAINED_ON = ("easy", "standard")
INT16_MAX = 32_767


@dataclass(frozen=True)
class Chunk:
    """Records ``first .. first + size - 1`` of a level's pairs of one modality."""

    folder: Path
    modality: str
    level: str
    split: str
    first: int
    size: int = CHUNK

    @property
    def path(self) -> Path:
        return self.folder / f"{self.level}-{self.split}-{self.modality}-{self.first:06d}-{self.size}.safetensors"


class Pool:
    """Media and scenes of many chunks; nothing but what is taken is read from disk."""

    def __init__(self, chunks: Sequence[Chunk]):
        self.chunks = list(chunks)
        self.ends = list(accumulate(chunk.size for chunk in chunks))

    def __len__(self) -> int:
        return self.ends[-1]

    @cached_property
    def _files(self) -> list[safe_open]:
        return [safe_open(chunk.path, "pt") for chunk in self.chunks]

    @cached_property
    def _media(self) -> list[Tensor]:
        return [file.get_tensor("media") for file in self._files]  # memory-mapped

    @cached_property
    def scenes(self) -> list[Scene]:
        return [from_json(scene) for file in self._files for scene in json.loads(file.metadata()["scenes"])]

    def media(self, indices: Sequence[int]) -> Tensor:
        """image: uint8 [N, 3, P, P]; video: uint8 [N, F, 3, P, P]; audio: int16 [N, S]."""
        places = [(bisect_right(self.ends, index), index) for index in map(int, indices)]
        return torch.stack([self._media[c][index - self.ends[c]] for c, index in places])

    def draw(self, rng: np.random.Generator, number: int) -> tuple[Tensor, list[Scene]]:
        """So many records, drawn at random."""
        indices = rng.integers(len(self), size=number).tolist()
        return self.media(indices), [self.scenes[index] for index in indices]


def pool(
    work: Path, modality: str, size: int, split: str = "train", levels: Sequence[str] = TRAINED_ON, workers: int = 2
) -> Pool:
    """``size`` records, shared out equally among the levels; writes the chunks that are missing."""
    if size < 1 or size % len(levels):
        raise ValueError(f"{size} records of {len(levels)} levels; give a positive multiple of the number of levels")
    folder = work / "pools" / code_digest()[:12]
    each = size // len(levels)
    chunks = [
        Chunk(folder, modality, level, split, first, min(CHUNK, each - first))
        for first in range(0, each, CHUNK)
        for level in levels
    ]
    fill([chunk for chunk in chunks if not chunk.path.exists()], workers)
    return Pool(chunks)


def fill(chunks: Sequence[Chunk], workers: int) -> None:
    """Writes the chunks, several at a time."""
    if not chunks:
        return
    chunks[0].folder.mkdir(parents=True, exist_ok=True)
    if workers <= 1:
        for chunk in chunks:
            write(chunk)
        return
    with Progress() as progress, ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        task = progress.add_task(f"{chunks[0].modality} pool", total=sum(chunk.size for chunk in chunks))
        for future in as_completed([pool.submit(write, chunk) for chunk in chunks]):
            progress.advance(task, future.result())


def write(chunk: Chunk) -> int:
    """Renders, encodes and decodes the chunk's records; returns their number."""
    level = LEVELS[chunk.level]
    spec = MediaSpec(level.num_frames, level.sample_rate_hz)
    media, scenes = [], []
    for number in range(chunk.first, chunk.first + chunk.size):
        members = make_record(SEED, chunk.level, chunk.split, chunk.modality, number)
        decoded = MEDIA[chunk.modality].decode(members[EXTENSIONS[chunk.modality]], spec)
        media.append((decoded * INT16_MAX).round().short() if chunk.modality == "audio" else decoded)
        scenes.append(json.loads(members["scene.json"]))
    with whole(chunk.path) as temporary:
        save_file({"media": torch.stack(media)}, temporary, {"scenes": json.dumps(scenes)})
    return chunk.size


def _one_thread() -> None:
    torch.set_num_threads(1)  # one process a core already
