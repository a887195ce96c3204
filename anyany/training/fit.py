"""Training and validating in a run's folder."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from anyany.faults import UserError
from anyany.runs import CONFIG, COST, LEDGER, checkpoint_step, claimed, latest_checkpoint
from anyany.training.callbacks import StreamLedger
from anyany.training.checkpoints import AtomicCheckpointIO, LatestCheckpoint
from anyany.training.cost import StageCost
from anyany.training.datamodule import StreamDataModule
from anyany.training.module import TrainingModule
from anyany.training.process_group import closed_process_group
from anyany.training.progress import Progress
from anyany.training.stopping import StopOnSignal
from anyany.training.strategies import built
from anyany.training.trackers import finished_trackers

log = logging.getLogger(__name__)


def seed_everything(seed: int) -> None:
    """Seeds whatever draws in this process and in its data workers."""
    lightning.seed_everything(seed, workers=True, verbose=False)


def fit(
    module: TrainingModule,
    data: StreamDataModule,
    run: Path,
    trainer: Mapping[str, Any],
    logger: Any = None,
    callbacks: Sequence[Callback] = (),
    save_every: int = 50,
    val_every: int | None = None,
    checkpoint: Path | None = None,
    before: Callable[[], object] = lambda: None,
    at_start: Callable[[], None] = lambda: None,
    at_end: Callable[[bool], None] = lambda is_first: None,
) -> dict[str, float]:
    """Trains to the end of ``data``; gives the last value of every metric.

    Args:
        trainer: arguments of ``lightning.Trainer``.
        save_every, val_every: in steps; without ``val_every`` nothing is validated, with it any run at least once.
        checkpoint: go on from there.
        before: called on every rank when trainer and split are known to be possible: what takes long.
        at_start: called once, when the run's folder is claimed and the checkpoint has been found to fit.
        at_end: called on every rank, with whether it is the first, when the last step has been trained.
    """
    options: dict[str, Any] = {"limit_val_batches": 0}
    if val_every:
        options = {"val_check_interval": min(val_every, data.num_steps), "check_val_every_n_epoch": None}
    progress = [Progress()] if trainer.get("enable_progress_bar", True) else []
    checkpoints, cost = LatestCheckpoint(run, save_every), StageCost(run / COST)
    one = _trainer(
        **{"enable_model_summary": False, "log_every_n_steps": 10, **options, **trainer},
        max_steps=data.num_steps,
        max_epochs=-1,  # the stream has epochs of its own
        default_root_dir=run,
        logger=logger if logger is not None else False,
        callbacks=[
            StreamLedger(run / LEDGER),
            cost,
            checkpoints,
            _once(at_start),
            *progress,
            *callbacks,
            StopOnSignal(checkpoints),  # last: what the others do behind a step is done
        ],
        plugins=[AtomicCheckpointIO()],
    )
    data.check_split(one.world_size)
    with closed_process_group(), finished_trackers(), claimed(run) if one.is_global_zero else nullcontext():
        before()
        one.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        if val_every and not one.callback_metrics:  # it was stopped behind its last step: no step was left to train
            one.validate(module, datamodule=data, verbose=False)
        metrics = {name: float(value) for name, value in one.callback_metrics.items()}
        if one.global_step >= data.num_steps:
            cost.leave(one, module)
            at_end(one.is_global_zero)
    log.info("next: python eval.py run=%s", os.path.relpath(run.parent))
    return metrics


def validate(module: TrainingModule, data: StreamDataModule, run: Path, trainer: Mapping[str, Any]) -> dict[str, float]:
    """The loss terms of the run's last checkpoint over the validation sources of ``data``.

    Raises:
        UserError: there is no checkpoint.
    """
    checkpoint = latest_checkpoint(run)
    if checkpoint is None:
        raise UserError(f"{run} has no checkpoint yet; train it first")
    one = _trainer(**{**trainer, "logger": False, "enable_model_summary": False, "enable_checkpointing": False})
    with closed_process_group():
        (metrics,) = one.validate(module, datamodule=data, ckpt_path=checkpoint, verbose=False, weights_only=True)
    return {name.removeprefix("val/"): value for name, value in metrics.items()}


def _once(action: Callable[[], None]) -> Callback:
    """Calls ``action`` on rank 0 when training starts."""
    return LambdaCallback(on_train_start=lambda trainer, module: action() if trainer.is_global_zero else None)


def _trainer(**options: Any) -> Trainer:
    try:
        return Trainer(**options | {"strategy": built(options.get("strategy", "auto"))})
    except (MisconfigurationException, ModuleNotFoundError) as error:  # such as a device that this machine lacks
        raise UserError(f"trainer: {error}") from error


def checkpoint_of(run: Path, resume: bool) -> Path | None:
    """The run's last checkpoint where it is to be gone on with, None where it is to be begun.

    Raises:
        UserError: to resume there is no run, or without resuming there is a checkpoint already.
    """
    found = latest_checkpoint(run)
    if resume and found is None and (run / CONFIG).exists():
        log.info("%s was stopped before its first checkpoint: it begins anew", run)
    elif resume and found is None:
        others = sorted(str(path.parents[1]) for path in run.parent.parent.glob(f"*/{run.name}/checkpoints/*.ckpt"))
        raise UserError(f"{run} has no checkpoint to go on from; runs that have one: {', '.join(others) or 'none'}")
    if not resume and found is not None:
        step = checkpoint_step(found)
        raise UserError(f"{run} has a checkpoint of step {step}; go on with resume=true, or give another run=<name>")
    if found is not None:
        log.info("going on from %s", found)
    return found
