"""What a stage costs: seconds of training, samples a second, memory, parameters."""

import json
import resource
import time
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from anyany.data.loader import StepBatch
from anyany.figures import Figure
from anyany.files import write_whole

KIB = 2**10


class StageCost(Callback):
    """Counts from the stage's first step to its last, validation left out, and leaves the sum in a file.

    What an earlier start has counted stands in the checkpoint, so a stage that was stopped and gone on with costs what
    both starts took up to where they were saved.
    """

    def __init__(self, path: Path):
        self.path = path
        self.seconds, self.samples = 0.0, 0
        self._since: float | None = None  # None while the clock stands

    def state_dict(self) -> dict[str, Any]:
        self._tick()
        return {"seconds": self.seconds, "samples": self.samples}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.samples = state_dict["seconds"], state_dict["samples"]

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._since = time.perf_counter()

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._tick()
        self._since = None

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._since = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: StepBatch, batch_idx: int
    ) -> None:
        self.samples += sum(len(micro_batch.samples) for micro_batch in batch.micro_batches)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._tick()
        self._since = None

    def leave(self, trainer: Trainer, module: LightningModule) -> None:
        """Writes the file. Every rank takes part. A start that finds nothing left to train leaves it as well."""
        own = torch.tensor(self.samples, device=trainer.strategy.root_device)
        samples = int(trainer.strategy.reduce(own, reduce_op="sum"))
        if not trainer.is_global_zero or not samples:
            return
        parameters = list(module.parameters())
        found = {
            "seconds": self.seconds,
            "samples_per_s": samples / self.seconds,
            "peak_mib": peak_mib(),
            "trainable": sum(p.numel() for p in parameters if p.requires_grad),
            "total": sum(p.numel() for p in parameters),
        }
        figures = {name: Figure(value, value, value, 1).as_json() for name, value in found.items()}
        write_whole(self.path, json.dumps(figures, indent=1) + "\n")

    def _tick(self) -> None:
        if self._since is not None:
            now = time.perf_counter()
            self.seconds += now - self._since
            self._since = now


def peak_mib() -> float:
    """The most memory that was held at once: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / KIB**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB  # Linux counts in KiB
