"""The progress bar: beside the loss terms, how fast training goes."""

import time
from collections import deque
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from anyany.data.loader import StepBatch
from anyany.messages.collate import NO_SEGMENT

OVER = 50  # steps that a rate is taken over


class Progress(RichProgressBar):
    """With samples and tokens a second over the last steps; those of all ranks, taken to be as fast as this one."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: deque[tuple[float, int, int]] = deque(maxlen=OVER + 1)  # when it ended, samples, tokens

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        super().on_train_start(trainer, module)
        self._begin()

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        super().on_validation_end(trainer, module)
        self._begin()  # what a validation takes is no part of a step

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: StepBatch, batch_idx: int
    ) -> None:
        samples = sum(len(one.samples) for one in batch.micro_batches)
        tokens = sum(int((one.segment_ids_BT != NO_SEGMENT).sum()) for one in batch.micro_batches)
        self.steps.append((time.perf_counter(), samples, tokens))
        super().on_train_batch_end(trainer, module, outputs, batch, batch_idx)

    def get_metrics(self, trainer: Trainer, module: LightningModule) -> dict[str, Any]:
        return {**self.rates(trainer.world_size), **super().get_metrics(trainer, module)}

    def rates(self, num_ranks: int) -> dict[str, int]:
        if len(self.steps) < 2:
            return {}
        seconds = self.steps[-1][0] - self.steps[0][0]
        samples, tokens = (sum(step[at] for step in list(self.steps)[1:]) for at in (1, 2))
        return {"samples/s": round(num_ranks * samples / seconds), "tokens/s": round(num_ranks * tokens / seconds)}

    def _begin(self) -> None:
        self.steps.clear()
        self.steps.append((time.perf_counter(), 0, 0))
