"""Where parts are trained, and where they go."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from anyany.files import whole
from anyany.seeds import digest_of
from data_prep.parts import PARTS, WORK
from data_prep.parts.pools import Pool, pool
from data_prep.parts.training import Recipe, Training

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Job:
    """``out`` holds a folder for each finished part, ``work`` pools, untrained parts and the states of trainings."""

    out: Path = PARTS
    work: Path = WORK
    device: torch.device = CPU
    workers: int = 2
    bf16: bool = False

    def start(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of the untrained part, which ``make`` writes once, and anew when its module has changed.

        One that stayed when its numbers changed has trained a denoiser of sounds for hours on another schedule of noise
        than its recipe had.
        """
        module = inspect.getmodule(make)
        assert module is not None
        folder = self.work / name / f"start-{digest_of(inspect.getsource(module)).hex()[:8]}"
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with whole(folder) as temporary:
                make(temporary)
        return folder

    def pool(self, modality: str, size: int) -> Pool:
        return pool(self.work, modality, size, workers=self.workers)

    def run(self, recipe: Recipe) -> float:
        """Trains to the recipe's end; returns the seconds that it took."""
        return Training(recipe, self.work, self.device, self.bf16).train()
