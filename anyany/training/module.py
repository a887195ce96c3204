"""The training of a model, one optimizer step at a time.

The loader hands over whole steps, so optimisation is manual: counts are summed over ranks once, each micro-batch's sums
are divided by them, and gradients meet on the last micro-batch. 1 x 8, 2 x 4 and two ranks then give the same
gradients.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, Self

import torch
from lightning import LightningModule
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from anyany.data.loader import StepBatch
from anyany.messages.collate import Batch
from anyany.models.anyany import Term
from anyany.seeds import seed_of
from anyany.training.strategies import shard, without_sync
from anyany.training.trainable import Trains, check_taken, hold_back, parameter_groups, train_but_frozen


class TrainingModule(LightningModule):
    """Trains ``model``, which maps a batch to loss terms.

    Args:
        optimizer: parameters, or groups of them -> optimizer.
        trains: what is trained; None is all of it, with the optimizer's own learning rate.
        schedule: step -> factor on the learning rate.
        loss_weights: by the last part of a term's name, so that "align" is that of all rows; 1 where none is given.
        max_grad_norm: gradients are scaled down to this norm; None leaves them.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Callable[[Any], Optimizer],
        trains: Mapping[str, Trains] | None = None,
        schedule: Callable[[int], float] = lambda step: 1.0,
        loss_weights: Mapping[str, float] | None = None,
        max_grad_norm: float | None = 1.0,
        seed: int = 0,
    ):
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.make_optimizer, self.schedule = optimizer, schedule
        self.trains = trains
        self._groups()  # freezes what is not trained
        self.loss_weights = dict(loss_weights or {})
        self.max_grad_norm = max_grad_norm
        self.seed = seed
        self.strict_loading = False  # checkpoints hold what trains alone; on_load_checkpoint sees that it is just that

    def configure_model(self) -> None:
        if isinstance(self.trainer.strategy, ModelParallelStrategy) and not isinstance(self.model, FSDPModule):
            shard(self.model, self.device_mesh["data_parallel"])  # type: ignore[index]

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self._groups())  # of the parameters as they are shared out
        check_taken(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": LambdaLR(optimizer, self.schedule)}

    def _groups(self) -> list[Any]:
        return list(self.model.parameters()) if self.trains is None else parameter_groups(self.model, self.trains)

    def train(self, mode: bool = True) -> Self:
        """What is frozen stays in eval mode."""
        super().train(mode)
        if mode:
            train_but_frozen(self.model)
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Frozen weights come from their parts."""
        trained = self._trained()
        checkpoint["state_dict"] = {n: tensor for n, tensor in checkpoint["state_dict"].items() if n in trained}
        checkpoint["trained"] = sorted(trained)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """
        Raises:
            ValueError: unless the checkpoint holds just what this stage trains.
        """
        found, wanted = set(checkpoint["trained"]), self._trained()  # a strategy may have taken the tensors already
        if found != wanted:
            raise ValueError(
                f"the checkpoint lacks {sorted(wanted - found)} and has {sorted(found - wanted)} beside what the stage "
                "trains; go on with the parts and the stage.trains that it was made with"
            )

    def _trained(self) -> set[str]:
        named = self.named_parameters(remove_duplicate=False)  # rows that are tied stand in a state under both names
        return {name for name, parameter in named if parameter.requires_grad}

    def training_step(self, step: StepBatch, batch_idx: int) -> None:
        self._seed_step(step)
        counts = self._sum_over_ranks(step.counts)
        sums: dict[str, float] = {}
        for number, batch in enumerate(step.micro_batches, 1):
            terms = self.model(batch)
            self._check_terms(terms, batch)
            with nullcontext() if number == len(step.micro_batches) else without_sync(self._shared):
                self.manual_backward(self._loss(terms, counts))
            for name, (term, _) in terms.items():
                sums[name] = sums.get(name, 0.0) + term.item()
        self._update(step.index)
        self._log("train", sums, counts)

    def validation_step(self, step: StepBatch, batch_idx: int) -> None:
        counts = self._sum_over_ranks(step.counts)
        sums: dict[str, float] = {}
        for batch in step.micro_batches:
            for name, (term, _) in self.model(batch).items():
                sums[name] = sums.get(name, 0.0) + term.item()
        self._log("val", sums, counts)

    def _seed_step(self, step: StepBatch) -> None:
        """What the model draws (dropout) follows from seed, step and rank, so a resumed run draws the same."""
        torch.manual_seed(seed_of("step", self.seed, step.index, self.global_rank))

    def _check_terms(self, terms: Mapping[str, Term], batch: Batch) -> None:
        for name, (_, count) in terms.items():
            assert count == batch.counts[name], f"{name}: the model counts {count}, the loader {batch.counts[name]}"

    def _loss(self, terms: Mapping[str, Term], counts: Mapping[str, int]) -> Tensor:
        """This micro-batch's part of the step's mean loss, times the ranks: gradients are averaged over them."""
        ranks = self.trainer.world_size
        weights = {name: self.loss_weights.get(name.rpartition("/")[2], 1.0) for name in terms}
        return torch.stack([weights[n] * ranks / max(counts[n], 1) * term for n, (term, _) in terms.items()]).sum()

    @property
    def _shared(self) -> nn.Module:
        """What holds the gradients back: DDP's wrapper around this module, or the model that is shared out."""
        outer = self.trainer.model
        return outer if isinstance(outer, DistributedDataParallel) else self.model

    def _update(self, step: int) -> None:
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        hold_back(optimizer, step)  # type: ignore[arg-type]
        if self.max_grad_norm is not None:
            self.clip_gradients(optimizer, self.max_grad_norm, "norm")  # type: ignore[arg-type]
        optimizer.step()  # type: ignore[union-attr]
        optimizer.zero_grad()  # type: ignore[union-attr]
        scheduler.step()  # type: ignore[union-attr]

    def _sum_over_ranks(self, counts: Mapping[str, int]) -> dict[str, int]:
        """One exchange a step; every rank has the same terms, so their order is the same too."""
        names = sorted(counts)
        local = torch.tensor([counts[name] for name in names], dtype=torch.int64, device=self.device)
        total = self.trainer.strategy.reduce(local, reduce_op="sum")
        return dict(zip(names, total.tolist(), strict=True))

    def _log(self, prefix: str, sums: Mapping[str, float], counts: Mapping[str, int]) -> None:
        for name, total in sums.items():
            if counts[name] == 0:
                continue
            # A rank's share of the mean, times the ranks: the logger's mean over ranks is then the mean of the step.
            share = total * self.trainer.world_size / counts[name]
            options = {"prog_bar": True, "batch_size": counts[name], "sync_dist": self.trainer.world_size > 1}
            self.log(f"{prefix}/{name}", share, **options)  # type: ignore[arg-type]
