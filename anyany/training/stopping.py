"""Ctrl-C and SIGTERM: the step that is under way is finished and saved, then the run ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from anyany.faults import UserError
from anyany.runs import resuming
from anyany.training.checkpoints import LatestCheckpoint

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopped_with(word: str) -> Iterator[None]:
    """For what is done before the first step: Ctrl-C or SIGTERM ends it, with a word on what stays.

    Raises:
        UserError: where a signal came.
    """

    def hear(number: int, frame: FrameType | None) -> None:
        raise UserError(f"stopped by {signal.Signals(number).name}; {word}: give the same command again")

    if threading.current_thread() is not threading.main_thread():  # others may not
        yield
        return
    before = {name: signal.signal(name, hear) for name in SIGNALS}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


class StopOnSignal(Callback):
    """Hears a signal between two steps, on whichever rank it comes; a second one ends the process at once.

    Lightning's own way stops in the midst of a step and saves nothing.
    """

    def __init__(self, checkpoint: LatestCheckpoint):
        self.checkpoint = checkpoint
        self.heard: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():  # others may not
            self._before = {name: signal.signal(name, self._hear) for name in SIGNALS}

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *unused: Any) -> None:
        """
        Raises:
            UserError: where a rank has heard a signal; the step is saved.
        """
        self._stop_where_asked(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """The same for a signal that came in the last validation."""
        self._stop_where_asked(trainer, module)

    def _stop_where_asked(self, trainer: Trainer, module: LightningModule) -> None:
        heard = torch.tensor(float(self.heard is not None), device=module.device)
        if not trainer.strategy.reduce(heard, reduce_op="sum"):
            return
        self.checkpoint.save(trainer)
        name = self.heard.name if self.heard else "a signal"
        raise UserError(
            f"stopped by {name} behind step {trainer.global_step}, which is saved; "
            f"to go on, give the same command again{resuming(self.checkpoint.run)}"
        )

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)
        self._before = {}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.heard is not None:
            raise KeyboardInterrupt
        self.heard = signal.Signals(number)
