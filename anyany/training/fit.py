"""Training and validating in a run's folder."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from anyany.runs import LEDGER, checkpoint_step, latest_checkpoint
from anyany.training.callbacks import StreamLedger
from anyany.training.checkpoints import AtomicCheckpointIO, LatestCheckpoint
from anyany.training.datamodule import StreamDataModule
from anyany.training.module import TrainingModule
from anyany.training.process_group import closed_process_group

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
    resume: bool = False,
) -> dict[str, float]:
    """Trains to the end of ``data``; gives the last value of every metric.

    Args:
        trainer: arguments of ``lightning.Trainer``.
        save_every, val_every: in steps; without ``val_every`` nothing is validated.
        resume: go on from the run's last checkpoint.

    Raises:
        ValueError: to resume there is no checkpoint, or without resuming there is one already.
    """
    checkpoint = _checkpoint(run, resume)
    options = (
        {"val_check_interval": val_every, "check_val_every_n_epoch": None} if val_every else {"limit_val_batches": 0}
    )
    progress = [RichProgressBar()] if trainer.get("enable_progress_bar", True) else []
    one = Trainer(
        **{"enable_model_summary": False, "log_every_n_steps": 10, **options, **trainer},
        max_epochs=1,  # an epoch of Lightning's is the whole run; the stream has epochs of its own
        default_root_dir=run,
        logger=logger if logger is not None else False,
        callbacks=[StreamLedger(run / LEDGER), LatestCheckpoint(run, save_every), *progress, *callbacks],
        plugins=[AtomicCheckpointIO()],
    )
    with closed_process_group():
        one.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        metrics = {name: float(value) for name, value in one.callback_metrics.items()}
    log.info("run: %s", run)
    return metrics


def validate(module: TrainingModule, data: StreamDataModule, run: Path, trainer: Mapping[str, Any]) -> dict[str, float]:
    """The loss terms of the run's last checkpoint over the validation sources of ``data``.

    Raises:
        ValueError: there is no checkpoint.
    """
    checkpoint = _checkpoint(run, resume=True)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)  # type: ignore[arg-type]
    module.load_state_dict(state["state_dict"])
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    module.eval()
    with torch.no_grad():
        for step in data.val_dataloader():
            for batch in step.micro_batches:
                for name, (term, count) in module.model(batch).items():
                    sums[name] = sums.get(name, 0.0) + term.item()
                    counts[name] = counts.get(name, 0) + count
    return {name: sums[name] / counts[name] for name in sums if counts[name]}


def _checkpoint(run: Path, resume: bool) -> Path | None:
    found = latest_checkpoint(run)
    if resume and found is None:
        others = sorted(str(path.parent.parent) for path in run.parent.glob("*/checkpoints/*.ckpt"))
        raise ValueError(f"{run} has no checkpoint to go on from; runs that have one: {', '.join(others) or 'none'}")
    if not resume and found is not None:
        step = checkpoint_step(found)
        raise ValueError(f"{run} has a checkpoint of step {step}; go on with resume=true, or give another run=<name>")
    if found is not None:
        log.info("going on from %s", found)
    return found
