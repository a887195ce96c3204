"""Asking a model: items to replies, in batches."""

from collections.abc import Callable, Sequence

from anyany.evaluation.items import Item
from anyany.messages.types import media_of
from anyany.models.generate import Generator, Reply, opened
from anyany.seeds import seed_of

BATCH = 50


def ask(
    generator: Generator,
    items: Sequence[Item],
    seed: int = 0,
    told: Callable[[int], None] = lambda number: None,
) -> list[Reply]:
    """The likeliest reply to each item; what it draws has a seed of its own.

    Args:
        told: is told after each batch how many items it held.
    """
    replies: list[Reply] = []
    for first in range(0, len(items), BATCH):
        some = items[first : first + BATCH]
        values = [[opened(medium, generator.preprocess) for medium in media_of(item.messages, "user")] for item in some]
        seeds = [seed_of("evaluate", seed, first + index) for index in range(len(some))]
        replies += generator([item.messages for item in some], values, seeds)
        told(len(some))
    return replies
