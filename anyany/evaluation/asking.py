"""Asking a model: items to replies, in batches."""

from collections.abc import Callable, Sequence

from anyany.evaluation.items import Item
from anyany.messages.types import media_of
from anyany.models.emit import LIKELIEST, Sampling
from anyany.models.generate import Generator, Reply, opened
from anyany.seeds import digest_of

BATCH = 50


def ask(
    generator: Generator,
    items: Sequence[Item],
    seed: int = 0,
    sampling: Sampling = LIKELIEST,
    told: Callable[[int], None] = lambda number: None,
) -> list[Reply]:
    """A reply to each item, from a seed of its own.

    Args:
        told: is told after each batch how many items it held.
    """
    replies: list[Reply] = []
    for first in range(0, len(items), BATCH):
        some = items[first : first + BATCH]
        values = [[opened(medium, generator.preprocess) for medium in media_of(item.messages, "user")] for item in some]
        seeds = [seed_of(seed, first + index) for index in range(len(some))]
        replies += generator([item.messages for item in some], values, seeds, sampling)
        told(len(some))
    return replies


def seed_of(seed: int, index: int) -> int:
    return int.from_bytes(digest_of("evaluate", seed, index)[:7], "little")
