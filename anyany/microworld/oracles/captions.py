"""Reads a scene back from free text: finds the things by their nouns and gives each the words that belong to it."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anyany.microworld.levels import NOVEL_PAIRS, Pair
from anyany.microworld.oracles.glossary import HEADS, Word, words_of
from anyany.microworld.scenes import DIRECTIONS, SCENES, Beeps, Group, Picture, Scene, Thing, Unreadable

_MUST_SAY = {
    "image": ("number", "color", "shape"),
    "video": ("number", "color", "shape", "motion"),
    "audio": ("number", "timbre", "pitch"),
}
_ADJECTIVES = ("color", "size", "speed", "timbre", "pitch", "length", "glide")
_PASSED_OVER = ("pitched", "colored", "very", "of", "the", "these", "those")  # between a number and its noun
_POINTING = ("the", "these", "those", "this", "that")
_CONDITION = re.compile(r"\bif\b(.*?)(?=,|\band\b|$)", re.IGNORECASE)
_APART = ("relation", "order")  # said between things, not of one


@dataclass
class _Found:
    """A noun, the words that lead up to it from ``start``, and the values said of it, by attribute."""

    start: int
    head: int
    plural: bool
    pointing: bool = False
    said: dict[str, set[Any]] = field(default_factory=lambda: defaultdict(set))


def read_caption(text: str, modality: str) -> Scene | Unreadable:
    """The scene that the text describes, in the order in which it happens.

    ``Unreadable`` where the text names nothing, leaves out what each thing of the modality must say, or contradicts
    itself. Words that say nothing of a scene are passed over.
    """
    words = list(words_of(text, modality))
    found = _found(words, HEADS[modality])
    if not found:
        return Unreadable(f"names no {HEADS[modality]}")
    things = []
    for one in found:
        thing = _thing(one, modality)
        if isinstance(thing, Unreadable):
            return thing
        things.append(thing)
    return _scene(modality, things, found, words)


def text_novel_pairs(text: str) -> list[Pair]:
    """The novel pairs that any one sentence of the text says of one thing, also to ask for it or to deny it."""
    pairs = []
    for sentence in re.split(r"[.!?\n]", text):
        for modality in ("video", "audio"):  # the words of pictures are among those of clips
            for said in _said_of_each(sentence, modality):
                pairs += [p for p in NOVEL_PAIRS if all(v in said.get(a, ()) for a, v in (p.first, p.second))]
    return pairs


def _said_of_each(sentence: str, modality: str) -> list[dict[str, set[Any]]]:
    """What the sentence says of each thing. All its conditions are on one: ``red if the thing is a ring, blue if``."""
    found = _found(list(words_of(_CONDITION.sub(" ", sentence), modality)), HEADS[modality])
    supposed: dict[str, set[Any]] = defaultdict(set)
    for word in words_of(" ".join(_CONDITION.findall(sentence)), modality):
        supposed[word.attribute or ""].add(word.value)
    return [*(one.said for one in found), supposed]


def _found(words: Sequence[Word], head: str) -> list[_Found]:
    found: list[_Found] = []
    for index, word in enumerate(words):
        if word.attribute == head:
            found.append(_noun_phrase(words, index, after=found[-1].head if found else -1))
    _give_the_rest(words, found)
    return _merged(found, head)


def _noun_phrase(words: Sequence[Word], head: int, after: int) -> _Found:
    """The noun at ``head`` with its adjectives, back to its number or to a word that cannot stand between."""
    noun = words[head].text
    one = _Found(start=head, head=head, plural=noun.endswith("s") and noun not in ("cross", "hiss"))
    one.said[words[head].attribute or ""].add(words[head].value)
    for index in range(head - 1, after, -1):
        word = words[index]
        if word.attribute == "number" or word.text in ("a", "an"):
            one.said["number"].add(word.value if word.attribute else 1)
        elif word.attribute in _ADJECTIVES:
            one.said[word.attribute].add(word.value)
        elif word.text in _PASSED_OVER:
            one.pointing |= word.text in _POINTING
        else:
            break
        one.start = index
        if "number" in one.said:
            break
    return one


def _give_the_rest(words: Sequence[Word], found: Sequence[_Found]) -> None:
    """What stands outside the noun phrases belongs to the thing before it, or to the first."""
    if not found:
        return
    inside = {index for one in found for index in range(one.start, one.head + 1)}
    for index, word in enumerate(words):
        if index in inside or word.attribute is None or word.attribute in _APART:
            continue
        owner = max((one for one in found if one.head < index), key=lambda one: one.head, default=found[0])
        if word.attribute != "number":
            owner.said[word.attribute].add(word.value)
        elif "number" not in owner.said and word.value:
            owner.said["number"].add(word.value)


def _merged(found: Sequence[_Found], head: str) -> list[_Found]:
    """``a red circle ... the circle moves`` is one thing."""
    kept: list[_Found] = []
    for one in found:
        same = [other for other in kept if one.pointing and other.said[head] == one.said[head]]
        if same:
            for attribute, values in one.said.items():
                same[-1].said[attribute] |= values
        else:
            kept.append(one)
    return kept


def _thing(one: _Found, modality: str) -> Thing | Unreadable:
    for attribute, found in one.said.items():
        if len(found) > 1:
            return Unreadable(f"says both {' and '.join(sorted(map(str, found)))} of one {attribute}")
    said = {attribute: next(iter(found)) for attribute, found in one.said.items()}
    if not one.plural:
        said.setdefault("number", 1)
    missing = [attribute for attribute in _MUST_SAY[modality] if attribute not in said]
    if missing:
        return Unreadable(f"names no {missing[0]}")
    if said["number"] == 0:
        return Unreadable("speaks of none")
    if modality == "image" and "motion" in said:
        return Unreadable("speaks of a motion, which a picture has not")
    if said.get("motion") not in DIRECTIONS:
        said.pop("speed", None)
    return Beeps(**said) if modality == "audio" else Group(**said)


def _scene(modality: str, things: list[Thing], found: list[_Found], words: Sequence[Word]) -> Scene | Unreadable:
    apart = [(index, word) for index, word in enumerate(words) if word.attribute in _APART]
    orders = [(index, word.value) for index, word in apart if word.attribute == "order" and word.value != "then"]
    relations = [(index, word.value) for index, word in apart if word.attribute == "relation"]
    if len(things) != 2:
        return SCENES[modality](tuple(things))
    first, second = found
    if modality == "image":
        if len({value for _, value in relations}) > 1:
            return Unreadable(f"says both {relations[0][1]} and {relations[1][1]}")
        if not relations:
            return Picture(tuple(things))  # type: ignore[arg-type]
        between = first.head < relations[0][0] < second.start
        return Picture(tuple(things if between else things[::-1]), relations[0][1])  # type: ignore[arg-type]
    # "x after y" and "before x, y" turn the order of the words round.
    turned = sum((value == "after") == (first.head < index < second.start) for index, value in orders)
    return SCENES[modality](tuple(things[::-1] if turned % 2 else things))
