"""Everything that is measured of a model, as one table of tasks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anyany.data.recipes import read_media
from anyany.evaluation.alignment import alignment
from anyany.evaluation.asking import Each, Job, Worth, always, ask
from anyany.evaluation.bounds import Bounds, bounds
from anyany.evaluation.items import (
    NOVEL,
    SPLITS,
    Item,
    captioned,
    dialogues,
    exchanged,
    exchanged_dialogues,
    pairs,
    requests,
    texts,
)
from anyany.evaluation.oracles import ALL_RIGHT
from anyany.evaluation.scores import made, may_be_right, of_attributes, of_dialogues, of_routing, understood
from anyany.figures import Figure, share
from anyany.microworld.scenes import SCENES, Scene
from anyany.models.generate import Generator, Reply

EXACT_MATCH = "exact_match"
NAMED = (
    "text+image to text+audio",
    "text+video to text+audio",
    "text+image to text+image+video",
    "text to text+image+video+audio",
)
GENERATION = "generation."
TURNS = ("two turns", "three turns", "four turns")
Figures = dict[str, Any]  # nested, with a Figure at each end


@dataclass(frozen=True)
class Asked:
    """How much is asked, and of which world."""

    level: str
    number: int = 200  # of items for each figure
    splits: Sequence[str] = SPLITS
    cases: Sequence[str] = (*NAMED, *TURNS)
    seed: int = 0


@dataclass(frozen=True)
class Task:
    """Items that are asked together, and the figures that their replies give, under a dotted name.

    Args:
        worth: which replies' media are drawn, asked before each modality.
    """

    name: str
    items: Sequence[Item]
    score: Callable[[Sequence[Item], Sequence[Reply]], Any]
    worth: Worth = always


@dataclass
class Answered:
    """A task with what came of it, for a page that shows it."""

    task: Task
    replies: Sequence[Reply]
    figures: Any


def tasks(asked: Asked, reads: Sequence[str], writes: Sequence[str]) -> Iterator[Task]:
    """All that can be asked of a model.

    Args:
        reads, writes: the modalities that it reads and writes; what needs another one is left out.
    """
    level, number = asked.level, asked.number
    for modality in (name for name in SCENES if name in reads):
        for split in asked.splits:
            items = list(pairs(modality, level, split, number, partial(read_media, modality=modality)))
            yield Task(f"understanding.{modality}.{split}", items, _understanding)
            if split == NOVEL and (swapped := exchanged(items)):
                yield Task(f"control.understanding.{modality}", swapped, _understanding)
    for modality in (name for name in SCENES if name in writes):
        for split in asked.splits:
            asked_for = requests(modality, level, split, number)
            yield Task(f"{GENERATION}{modality}.{split}", asked_for, _generation)
    for case in asked.cases:
        items = list(dialogues(case, level, NOVEL, number))
        shown = {scene.modality for item in items for scene in item.shown}
        brought = {name for item in items for name in item.modalities}
        if shown <= set(reads) and brought <= set(writes):
            yield Task(f"dialogues.{case}", items, of_dialogues, may_be_right)
            if swapped := exchanged_dialogues(items, case, level, NOVEL, number):
                yield Task(f"control.dialogues.{case}", swapped, of_dialogues, may_be_right)
    yield Task("text", list(texts(level, NOVEL, number)), _nothing)


def evaluate(each: Each, every: Sequence[Task], seed: int, told: Callable[[int], None]) -> list[Answered]:
    """Asks everything and scores it.

    Args:
        told: is told how many items were answered since it was last told.
    """
    replies = ask(each, [(task.items, task.worth) for task in every], seed, told)
    return [Answered(task, some, task.score(task.items, some)) for task, some in zip(every, replies, strict=True)]


def figures_of(answered: Sequence[Answered]) -> Figures:
    """The figures nested by the parts of their names, with those of routing over all that was asked as it stands.

    ``routing.complete`` is the share of replies that ended by themselves; others were cut off at their longest.
    """
    found: Figures = {}
    for one in answered:
        if one.figures is not None:
            _put(found, one.task.name, one.figures)
    plain = [one for one in answered if not one.task.name.startswith("control")]
    items, replies = _together(plain)
    accuracy, confusion = of_routing(items, replies)
    complete = share(sum(reply.is_complete for reply in replies), len(replies))
    return found | {"routing": {"accuracy": accuracy, "complete": complete, "confusion": confusion}}


def add_bounds(answered: Sequence[Answered], each: Each, cache: Path, told: Callable[[int], None]) -> None:
    """Beside each share of generation the ceiling and the floor of its decoder."""
    made = [one for one in answered if one.task.name.startswith(GENERATION)]
    for one, found in zip(made, each([_bounds_of(one.task, cache) for one in made]), strict=True):
        one.figures |= {name: by_attribute[ALL_RIGHT] for name, by_attribute in found.items()}
        told(2 * len(one.task.items))


def add_alignment(answered: Sequence[Answered], each: Each) -> None:
    """Beside each share of generation the distances that ``dec_align`` brings down."""
    made = [one for one in answered if one.task.name.startswith(GENERATION)]
    jobs = [partial(alignment, modality=_modality(one.task), items=one.task.items) for one in made]
    for one, found in zip(made, each(jobs), strict=True):
        one.figures |= {"alignment": found} if found else {}


def _bounds_of(task: Task, cache: Path) -> Job:
    captions, scenes = captioned(task.items)
    return partial(_bounds, modality=_modality(task), captions=captions, scenes=scenes, cache=cache)


def _bounds(generator: Generator, modality: str, captions: list[str], scenes: list[Scene], cache: Path) -> Bounds:
    return bounds(generator.decoders[modality], captions, scenes, cache)


def _modality(task: Task) -> str:
    return task.name.split(".")[1]


def _together(answered: Sequence[Answered]) -> tuple[list[Item], list[Reply]]:
    return [i for one in answered for i in one.task.items], [r for one in answered for r in one.replies]


def _understanding(items: Sequence[Item], replies: Sequence[Reply]) -> dict[str, Figure]:
    figures = of_attributes(understood, items, replies)
    return {EXACT_MATCH: figures.pop(ALL_RIGHT), **figures}


def _generation(items: Sequence[Item], replies: Sequence[Reply]) -> dict[str, Figure]:
    return of_attributes(made, items, replies)


def _nothing(items: Sequence[Item], replies: Sequence[Reply]) -> None:
    """Counts for routing alone."""


def _put(found: Figures, name: str, figures: Any) -> None:
    """Names of cases hold no dots, so every dot is a step."""
    *before, last = name.split(".")
    for part in before:
        found = found.setdefault(part, {})
    found[last] = figures
