"""Whether replies are right: functions of items and replies alone."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from anyany.evaluation.items import Item
from anyany.evaluation.oracles import shares
from anyany.figures import Figure, share
from anyany.messages.types import Media
from anyany.microworld.observations import without_observations
from anyany.microworld.oracles import ORACLES
from anyany.microworld.oracles.answers import is_right
from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.scenes import Scene, Unreadable, compare
from anyany.models.generate import Reply, Wish

TEXT_ALONE = "text"
Hits = dict[str, bool]  # by attribute


def understood(item: Item, reply: Reply) -> Hits:
    """Whether the reply names each attribute of the scene that is shown last."""
    scene = item.shown[-1]
    return compare(scene, read_caption(reply.text, scene.modality))


def made(item: Item, reply: Reply) -> Hits:
    """Whether each attribute is read back from the first medium of the kind that was asked for."""
    (scene,) = item.scenes
    return compare(scene, read_medium(scene, reply.media))


def read_medium(scene: Scene, media: Sequence[Wish | Media]) -> Scene | Unreadable:
    """What the oracle of the scene's modality reads in the first medium of that modality."""
    found = next((medium for medium in media if medium.modality == scene.modality), None)
    if found is None:
        return Unreadable(f"the reply brings no {scene.modality}")
    if isinstance(found, Wish):
        return Unreadable(f"no decoder has made the {scene.modality}")
    assert found.tensor is not None, "a decoder makes tensors"
    return ORACLES[scene.modality](found.tensor)


def is_all_right(item: Item, reply: Reply) -> bool:
    """Whether the reply brings just what was asked for, in order, and both its text and its media are right."""
    return may_be_right(item, reply) and not any(isinstance(medium, Wish) for medium in reply.media)


def may_be_right(item: Item, reply: Reply) -> bool:
    """The same before all its media are drawn: nothing that is said, asked for or drawn is wrong so far."""
    if reply.modalities != item.modalities or (item.answer is not None and not is_right(reply.text, item.answer)):
        return False
    if names_another(item, reply):
        return False
    drawn = [(s, m) for s, m in zip(item.scenes, reply.media, strict=True) if isinstance(m, Media)]
    return all(all(compare(scene, read_medium(scene, [medium])).values()) for scene, medium in drawn)


def names_another(item: Item, reply: Reply) -> bool:
    """Whether a reply that names what it brings, a sentence each, names something else than it was to bring."""
    sentences = [one for one in re.split(r"(?<=[.!?])\s*", without_observations(reply.text)) if one]
    named = [one for one in sentences if any(_reads(one, scene) for scene in item.scenes)]
    if len(named) != len(item.scenes):
        return False
    pairs = zip(item.scenes, named, strict=True)
    return not all(all(compare(scene, read_caption(one, scene.modality)).values()) for scene, one in pairs)


def _reads(sentence: str, scene: Scene) -> bool:
    return not isinstance(read_caption(sentence, scene.modality), Unreadable)


def of_attributes(
    score: Callable[[Item, Reply], Hits], items: Sequence[Item], replies: Sequence[Reply]
) -> dict[str, Figure]:
    """The share with all attributes right, and that of each attribute."""
    return shares([score(item, reply) for item, reply in zip(items, replies, strict=True)])


def of_dialogues(items: Sequence[Item], replies: Sequence[Reply]) -> Figure:
    """The share of dialogues in which every turn is right."""
    pairs = zip(items, replies, strict=True)
    right = [all(is_all_right(*pair) for pair in turns) for _, turns in groupby(pairs, key=lambda pair: pair[0].group)]
    return share(sum(right), len(right))


def of_routing(items: Sequence[Item], replies: Sequence[Reply]) -> tuple[Figure, dict[str, dict[str, int]]]:
    """The share of replies that bring just the modalities asked for, in order; and what came, by what was asked."""
    confusion: dict[str, Counter[str]] = {}
    for item, reply in zip(items, replies, strict=True):
        confusion.setdefault(_told(item.modalities), Counter())[_told(reply.modalities)] += 1
    hits = sum(counts[asked] for asked, counts in confusion.items())
    return share(hits, len(items)), {asked: dict(counts.most_common()) for asked, counts in confusion.items()}


def _told(modalities: Sequence[str]) -> str:
    return "+".join(modalities) or TEXT_ALONE


def as_json(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Nested figures as plain data."""
    return {
        name: value.as_json() if isinstance(value, Figure) else as_json(value) if isinstance(value, Mapping) else value
        for name, value in figures.items()
    }
