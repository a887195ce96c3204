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

    Both happen when the step has counted, not when its batch was handed over. A checkpoint is written only when every
    rank has written its line: so a checkpoint, its cursor and the ledgers cut back to it always agree.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.ledger: Ledger | None = None

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.is_global_zero:
            step = trainer.train_dataloader.cursor.step  # type: ignore[union-attr]
            dropped = cut(self.folder, step)
            if dropped:
                log.info("ledger: %d bytes behind step %d dropped; those samples come again", dropped, step)
        trainer.strategy.barrier("ledger cut back")
        self.ledger = Ledger(self.folder, trainer.global_rank)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: StepBatch, batch_idx: int
    ) -> None:
        assert self.ledger is not None
        trainer.train_dataloader.counted(batch)  # type: ignore[union-attr]
        self.ledger.write(batch.index, batch.micro_batches)

    def on_save_checkpoint(self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self.ledger is not None:
            self.ledger.sync()
            trainer.strategy.barrier("every rank's ledger written")

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        if self.ledger is None:
            return
        self.ledger.close()
        self.ledger = None
        for (source, kind), number in sorted(trainer.train_dataloader.guard.holes.items()):  # type: ignore[union-attr]
            log.warning("source %s: %d records left out on rank %d: %s", source, number, trainer.global_rank, kind)
