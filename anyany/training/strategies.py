"""How several processes share a model: each has all of it (DDP), or each a part of every parameter (FSDP2)."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

FSDP = "fsdp"  # Lightning's own strategy of this name is the first FSDP, which no CPU can run


def built(strategy: Any) -> Any:
    """What ``lightning.Trainer`` takes for the strategy that a config names."""
    return Sharded(save_distributed_checkpoint=False) if strategy == FSDP else strategy


class Sharded(ModelParallelStrategy):
    """FSDP2 over all processes; left to itself Lightning takes those of a machine for tensor parallelism."""

    def setup_environment(self) -> None:
        self._data_parallel_size, self._tensor_parallel_size = self.num_nodes * self.num_processes, 1
        super().setup_environment()


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Shards a model in place: each layer of a stack is gathered when it is its turn, all else with the whole.

    What is small and trains (projectors, new token rows) belongs to the whole: a group of its own that one rank does
    not run in a step would mix the gradients of different parameters.
    """
    for stack in [module for module in model.modules() if isinstance(module, nn.ModuleList)]:
        for layer in stack:
            if any(True for _ in layer.parameters()):
                fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)


@contextmanager
def without_sync(model: nn.Module) -> Iterator[None]:
    """Gradients stay on their rank, for all micro-batches of a step but the last."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            model.set_requires_gradient_sync(True)
    else:
        with model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext():
            yield


def gathered(tensor: Tensor) -> Tensor:
    """All of a tensor that is shared out among ranks; every rank has to ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
