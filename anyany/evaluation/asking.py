"""Asking a model: items to replies, in batches that one process answers after the other, or several side by side."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from anyany.evaluation.items import Item
from anyany.messages.types import media_of
from anyany.models.generate import Generator, Reply, opened
from anyany.seeds import seed_of

BATCH = 50
SHOWN_ITEMS = 12  # of each list, whose media are always drawn: a page shows them
Worth = Callable[[Item, Reply], bool]  # whether a reply's further media are to be drawn; can be pickled
Job = Callable[[Generator], Any]  # can be pickled
Each = Callable[[Sequence[Job]], Iterable[Any]]  # what every job gives, in order


def here(generator: Generator) -> Each:
    """Does jobs in this process."""
    return lambda jobs: (job(generator) for job in jobs)


def always(item: Item, reply: Reply) -> bool:
    return True


def ask(
    each: Each,
    every: Sequence[tuple[Sequence[Item], Worth]],
    seed: int = 0,
    told: Callable[[int], None] = lambda number: None,
) -> Iterator[list[Reply]]:
    """The likeliest reply to each item, list by list; what an item draws has a seed of its own in its list.

    Args:
        told: is told after each batch how many items it held.
    """
    jobs = [list(_jobs(items, worth, seed)) for items, worth in every]
    batches = iter(each([job for some in jobs for job in some]))  # at once, so that no process waits for a list's end
    for some in jobs:
        replies: list[Reply] = []
        for _ in some:
            replies += (batch := next(batches))
            told(len(batch))
        yield replies


def _jobs(items: Sequence[Item], worth: Worth, seed: int) -> Iterator[Job]:
    for first in range(0, len(items), BATCH):
        yield partial(answered, items=items[first : first + BATCH], worth=worth, first=first, seed=seed)


def answered(generator: Generator, items: Sequence[Item], worth: Worth, first: int, seed: int) -> list[Reply]:
    """
    Args:
        first: the number of the first item, from which seeds follow.
    """
    values = [[opened(medium, generator.preprocess) for medium in media_of(item.messages, "user")] for item in items]
    seeds = [seed_of("evaluate", seed, first + index) for index in range(len(items))]
    replies = generator.said([item.messages for item in items], values, seeds)
    # A dialogue that has failed in one turn's words is not drawn in the others.
    failed = {item.group for item, reply in zip(items, replies, strict=True) if not worth(item, reply)}

    def is_wanted(i: int, reply: Reply) -> bool:
        return first + i < SHOWN_ITEMS or (items[i].group not in failed and worth(items[i], reply))

    return generator.drawn(replies, seeds, is_wanted)
