"""What an evaluation asks: requests, and what a right reply to each holds.

Items are drawn from the microworld by level, split, task and number alone, so every run is asked the same, whatever
shards it was trained on.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from anyany.data.recipes import Recipe, make_media
from anyany.data.records import Record
from anyany.messages.types import Conversation, Media, Message, Part, Text, media_of
from anyany.microworld.dialogues import sample_dialogue
from anyany.microworld.levels import LEVELS
from anyany.microworld.observations import without_observations
from anyany.microworld.records import make_record, render
from anyany.microworld.scenes import Scene, from_json
from anyany.microworld.texts import KINDS
from anyany.seeds import digest_of, rng_of

SPLITS = ("test", "test_novel")
NOVEL = "test_novel"
_NAMESPACE = "evaluation"
_SEED = int.from_bytes(digest_of(_NAMESPACE)[:4], "little")  # no world that is trained on is drawn from it


@dataclass(frozen=True)
class Item:
    """A request and what must come back.

    Args:
        messages: up to the user's last one; what is shown is held as bytes.
        answer: what the reply's text must say (``oracles.answers``), where that can be told.
        targets: the media that the reply must bring, in order, each with its caption.
        scenes: of the targets.
        shown: the scenes of what the user shows, in order.
        group: items of one group are the turns of one dialogue.
    """

    messages: Conversation
    answer: Mapping[str, Any] | None = None
    targets: tuple[Media, ...] = ()
    scenes: tuple[Scene, ...] = ()
    shown: tuple[Scene, ...] = ()
    group: int = 0
    reply: Message | None = None  # a right one, of several ways to say it

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that the reply must bring, in order."""
        return tuple(target.modality for target in self.targets)


def pairs(modality: str, level: str, split: str, number: int, recipe: Recipe) -> Iterator[Item]:
    """Pairs as the recipe of a stage asks for them: to be read, or to be made."""
    for index in range(number):
        members = make_record(_SEED, level, split, modality, index)
        record = Record(_NAMESPACE, split, index, f"{split}-{modality}-{index}", members, tuple(members))
        told = json.loads(members["scene.json"])
        messages = recipe(record)
        scenes = {part.member: from_json(told) for part in media_of(messages) if part.member}
        answer = None if list(media_of(messages, "assistant")) else {"scene": told}
        yield _item(messages, scenes, members, answer, index)


def requests(modality: str, level: str, split: str, number: int) -> list[Item]:
    """Pairs to be made."""
    return list(pairs(modality, level, split, number, partial(make_media, modality=modality)))


def captioned(items: Sequence[Item]) -> tuple[list[str], list[Scene]]:
    """Captions and scenes of what is to be made, a medium an item."""
    return [item.targets[0].caption or "" for item in items], [item.scenes[0] for item in items]


def dialogues(case: str, level: str, split: str, number: int, first: int = 0) -> Iterator[Item]:
    """The turns of dialogues of one case; each stands behind the right replies to those before it."""
    for index in range(first, first + number):
        rng = rng_of(_NAMESPACE, level, split, case, index)
        dialogue = sample_dialogue(LEVELS[level], rng, split == NOVEL, case)
        members = {name: render(scene, LEVELS[level], rng) for name, scene in dialogue.scenes.items()}
        for place, message in enumerate(dialogue.messages):
            if message.role == "assistant":
                told = dialogue.messages[: place + 1]
                yield _item(told, dialogue.scenes, members, dialogue.answers.get(place), index)


def texts(level: str, split: str, number: int) -> Iterator[Item]:
    """Requests that are answered in text alone, of all kinds that a stage may train on, in turn."""
    kinds = [kind for kind in KINDS.values() if not kind.held_out]
    for index in range(number):
        kind = kinds[index % len(kinds)]
        sample = kind.draw(LEVELS[level], _text_rng(level, split, index), split == NOVEL and kind.novel)
        yield Item(sample.messages[:-1], sample.answer, group=index)


def held_out_texts(level: str, number: int) -> list[Conversation]:
    """Whole conversations of the kinds that no stage trains on."""
    kinds = [kind for kind in KINDS.values() if kind.held_out]
    return [
        kinds[index % len(kinds)].draw(LEVELS[level], _text_rng(level, "held out", index), False).messages
        for index in range(number)
    ]


def exchanged(items: Sequence[Item]) -> list[Item]:
    """The items that show something, each with what the next one of its kind shows in place of its own.

    Kinds are told apart by the modalities shown. An item for which no other shows other scenes is left out.
    """
    kinds: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        kinds.setdefault(tuple(scene.modality for scene in item.shown), []).append(item)
    made = []
    for modalities, some in kinds.items():
        for index, item in enumerate(some) if modalities else ():
            others = (*some[index + 1 :], *some[:index])
            other = next((other for other in others if other.shown != item.shown), None)
            if other is not None:
                made.append(replace(item, messages=_showing(item.messages, other.messages)))
    return sorted(made, key=lambda item: item.group)


def exchanged_dialogues(items: Sequence[Item], case: str, level: str, split: str, number: int) -> list[Item]:
    """The same of the case's first ``number`` dialogues. Some show nothing: others are drawn in their place.

    A case of which none shows anything has none.
    """
    swapped = exchanged(items)
    if swapped and len({item.group for item in swapped}) < number:
        swapped = exchanged([*items, *dialogues(case, level, split, (number + 1) // 2, first=number)])
    groups = set(list(dict.fromkeys(item.group for item in swapped))[:number])
    return [item for item in swapped if item.group in groups]


def _showing(messages: Conversation, others: Conversation) -> list[Message]:
    """The messages with what others show; what earlier replies saw is taken off, for it was something else."""
    media = media_of(others, "user")

    def of_user(part: Part) -> Part:
        return next(media) if isinstance(part, Media) else part

    def of_assistant(part: Part) -> Part:
        return replace(part, text=without_observations(part.text)) if isinstance(part, Text) else part

    parts = {"user": of_user, "assistant": of_assistant}
    return [replace(m, content=tuple(map(parts[m.role], m.content))) if m.role in parts else m for m in messages]


def _item(
    messages: Conversation, scenes: Mapping[str, Scene], members: Mapping[str, bytes], answer: Any, group: int
) -> Item:
    """The item whose right reply is the last of the messages."""
    *before, reply = (_with_bytes(message, members) for message in messages)
    targets = tuple(part for part in reply.content if isinstance(part, Media))
    *_, given = messages
    wanted = tuple(scenes[part.member or ""] for part in given.content if isinstance(part, Media))
    shown = tuple(scenes[part.member or ""] for part in media_of(messages, "user"))
    return Item(before, answer, targets, wanted, shown, group, reply)


def _with_bytes(message: Message, members: Mapping[str, bytes]) -> Message:
    def held(part: Part) -> Part:
        if not isinstance(part, Media) or part.member is None:
            return part
        return replace(part, member=None, data=members[part.member])

    return replace(message, content=tuple(map(held, message.content)))


def _text_rng(level: str, split: str, index: int) -> np.random.Generator:
    return rng_of(_NAMESPACE, level, split, "text", index)
