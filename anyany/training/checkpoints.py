"""Checkpoints that are there whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from anyany.faults import UserError
from anyany.files import beside
from anyany.runs import CHECKPOINTS, checkpoint_name, latest_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, then renames.

    Lightning's own way goes through the system's temporary folder and moves: across file systems that is a copy, and a
    kill in the middle of it leaves half a checkpoint under its full name.

    Raises:
        UserError: where it cannot be written; what was saved before stands.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        if storage_options is not None:
            raise TypeError(
                "storage options are for remote checkpoints, which are not supported; save to a local folder"
            )
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = beside(path)
        try:
            with open(temporary, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except (OSError, RuntimeError) as error:  # torch says some of the former by the latter
            stands = latest_checkpoint(path.parents[1])
            how = "resume=true" if stands else "a new run=<name>"
            raise UserError(
                f"{path} could not be saved ({error}); {stands or 'no checkpoint'} stands as before. Make room, then "
                f"the same command goes on with {how}"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)


class LatestCheckpoint(Checkpoint):
    """Keeps the newest checkpoint, of every ``every``-th step and the last; the old goes when the new one stands."""

    def __init__(self, run: Path, every: int):
        self.run, self.every = run, every

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *unused: Any) -> None:
        if trainer.global_step % self.every == 0:
            self.save(trainer)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.is_global_zero:  # what a kill between two steps of saving has left
            latest, folder = latest_checkpoint(self.run), self.run / CHECKPOINTS
            for stray in [*folder.glob("step=*.ckpt.*.tmp"), *folder.glob("step=*.ckpt")]:  # of our own names alone
                if stray != latest:
                    stray.unlink()

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.global_step % self.every:
            self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        before = latest_checkpoint(self.run)
        after = self.run / CHECKPOINTS / checkpoint_name(trainer.global_step)
        trainer.save_checkpoint(after, weights_only=False)  # Lightning's word for: the optimizer too
        if trainer.is_global_zero and before not in (None, after):
            before.unlink()
