"""Callbacks: the state of the stream follows what was trained on, and the ledger says what that was."""

import logging
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from anyany.data.ledger import Ledger, cut
from anyany.data.loader import StepBatch

log = logging.getLogger(__name__)


class StreamLedger(Callback):
    """After each step: the loader's cursor moves behind it, and this rank's ledger gets its line.

    Both happen when the step has counted, not when its batch was handed over, and before a checkpoint of it is written
    (Lightning runs checkpoint callbacks last). So a checkpoint, its cursor and the ledger cut back to it always agree.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.ledger: Ledger | None = None

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.is_global_zero:
            step = trainer.train_dataloader.cursor.step  # type: ignore[union-attr]
            dropped = cut(self.folder, step)
            if dropped:
                log.info("ledger: %d lines behind step %d dropped; those samples come again", dropped, step)
        trainer.strategy.barrier("ledger cut back")
        self.ledger = Ledger(self.folder, trainer.global_rank)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: StepBatch, batch_idx: int
    ) -> None:
        assert self.ledger is not None
        trainer.train_dataloader.counted(batch)  # type: ignore[union-attr]
        self.ledger.write(batch.index, batch.micro_batches)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.ledger is not None:
            self.ledger.close()
