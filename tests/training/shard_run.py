"""A process of ``test_strategies``: this rank's half of a batch through a model that is shared out."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule

from anyany.messages.collate import Sample
from anyany.messages.render import render
from anyany.training.strategies import gathered, shard, without_sync
from tests.models.test_anyany import CONVERSATIONS, batch_of
from tests.models.test_assemble import WRITES, assembled, item

ROWS = [["before", "several"], ["none"], ["in turns", "in the middle"], ["at the very end"]]


def gradients(ranks: int, rank: int, micro: int) -> dict[str, torch.Tensor]:
    """Of the mean losses over all rows, each rank having its own rows in ``micro`` parts."""
    parts = assembled(WRITES)
    model = parts.model()
    torch.manual_seed(1)
    rendered = {name: render(messages, parts.vocabulary) for name, messages in CONVERSATIONS.items()}
    samples = {n: Sample("s", n, r, [item(parts.preprocess[m.modality]) for m in r.media]) for n, r in rendered.items()}
    counts = {
        name: max(c, 1) for name, c in batch_of(parts, [[samples[n] for n in row] for row in ROWS]).counts.items()
    }
    if ranks > 1:
        shard(model, init_device_mesh("cpu", (ranks,)))
        assert isinstance(model, FSDPModule)
    mine = ROWS[rank::ranks]
    for number in range(micro):
        batch = batch_of(parts, [[samples[n] for n in row] for row in mine[number::micro]])
        loss = sum(ranks * term / counts[name] for name, (term, _) in model(batch).items())
        if number < micro - 1:
            with without_sync(model):
                loss.backward()
        else:
            loss.backward()
    return {n: torch.zeros(()) if p.grad is None else gathered(p.grad) for n, p in model.named_parameters()}


if __name__ == "__main__":
    folder, rank, micro = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = gradients(2, rank, micro)
    if rank == 0:
        torch.save(found, folder / "gradients.pt")
    dist.barrier()
    dist.destroy_process_group()
