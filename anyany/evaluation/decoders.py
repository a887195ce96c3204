"""What decoders draw when they are asked in text, through their own text encoders: the ceiling of an aligned model."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from anyany import seeds
from anyany.models.contracts import Decoder

BATCH = 50


@torch.no_grad()
def draw(
    decoder: Decoder, captions: Sequence[str], seed: int = 0, told: Callable[[int], None] = lambda number: None
) -> Tensor:
    """Media ``[N, ...]``, each from its caption and a seed of its own.

    Args:
        told: is told after each batch how many it held.
    """
    made = []
    for first in range(0, len(captions), BATCH):
        some = captions[first : first + BATCH]
        each = [seed_of(seed, first + index) for index in range(len(some))]
        made.append(decoder.generate(decoder.condition(some), each))
        told(len(some))
    return torch.cat(made)


def seed_of(seed: int, index: int) -> int:
    return seeds.seed_of("generate", seed, index)
