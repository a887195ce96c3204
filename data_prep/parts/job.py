"""Where parts are trained, and where they go."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from data_prep.parts.pools import Pool, pool
from data_prep.parts.training import Recipe, Training

CPU = torch.device("cpu")
PARTS = Path(__file__).parents[2] / "anyany" / "parts"


@dataclass(frozen=True)
class Job:
    """``out`` holds a folder for each finished part, ``work`` pools, untrained parts and the states of trainings."""

    out: Path = PARTS
    work: Path = Path(os.environ.get("ANYANY_CACHE", "cache")) / "parts"
    device: torch.device = CPU
    workers: int = 2
    bf16: bool = False

    def pool(self, modality: str, size: int) -> Pool:
        return pool(self.work, modality, size, workers=self.workers)

    def run(self, recipe: Recipe) -> float:
        """Trains to the recipe's end; returns the seconds that it took."""
        return Training(recipe, self.work, self.device, self.bf16).train()
