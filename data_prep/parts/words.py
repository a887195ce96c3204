"""What the parts read: captions of scenes and text samples, drawn anew for every batch, without novel pairs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anyany.messages.types import Media, Message, Text, media_of
from anyany.microworld.captions import PITCHES as PITCH_WORDS
from anyany.microworld.captions import SIZES as SIZE_WORDS
from anyany.microworld.captions import TIMBRES as TIMBRE_WORDS
from anyany.microworld.captions import caption, noun
from anyany.microworld.instructions import WORDS
from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.scenes import COLORS, SHAPES, Scene
from anyany.microworld.texts import KINDS
from anyany.microworld.words import chance, pick, plural
from anyany.seeds import rng_of
from data_prep.parts.choices import choice
from data_prep.parts.comparisons import comparison
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.quizzes import quiz
from data_prep.parts.told import half_seen_dialogue, made, seen, told_dialogue

DISGUISED = 0.5  # of the texts that speak of scenes
MADE_UP = 11  # words for what is said of no scene
AS_NOUN = 0.4  # how often a scene is told as it stands after "draw": later an LLM says it that way


def say(scene: Scene, rng: np.random.Generator) -> str:
    """The scene in words, as a caption or as the thing that is asked for."""
    return noun(scene, rng) if chance(rng, AS_NOUN) else caption(scene, rng)


def captions(modalities: Sequence[str], number: int) -> Iterator[str]:
    """Captions for a tokenizer to learn from."""
    rng = rng_of("parts", "captions")
    for _ in range(number):
        level = LEVELS[pick(rng, TRAINED_ON)]
        yield say(sample_scene(pick(rng, modalities), level, rng), rng)


@dataclass(frozen=True)
class Mixture:
    """How often what comes: ``kinds`` weighs the kinds of text against each other, the rest are shares of all texts."""

    kinds: Mapping[str, int]  # 1 for a kind that is not named
    comparisons: float
    choices: float = 0.0
    quizzes: float = 0.0
    dialogues: float = 0.0
    half_seen: float = 0.0
    seen: float = 0.0
    made: float = 0.0

    def __post_init__(self) -> None:
        assert self.kinds.keys() <= KINDS.keys(), self.kinds


# Comparing is learned last, small talk at once; then how people ask for several things, and to read what is no word.
READING = Mixture({"question": 4, "question_of_several": 3, "describe": 2, "order": 2}, comparisons=0.25)
ASKING = Mixture({**READING.kinds, "sums": 3, "instructions": 3}, comparisons=0.15, quizzes=0.35)
_LATER = {**ASKING.kinds, "sums": 5, "sums_digits": 3}  # what else would suffer most
CHOOSING = Mixture(ASKING.kinds, comparisons=0.1, quizzes=0.1, choices=0.8)
TALKING = Mixture(_LATER, comparisons=0.05, quizzes=0.07, choices=0.1, dialogues=0.45)
SEEING = Mixture(
    _LATER, comparisons=0.05, quizzes=0.05, choices=0.07, dialogues=0.12, half_seen=0.22, seen=0.18, made=0.1
)


def text_sample(rng: np.random.Generator, mixture: Mixture = READING) -> list[Message]:
    """A text of any kind, held-out ones too: what no stage trains on must have been learned to be forgotten.

    Half of those that speak of scenes do so in disguise.
    """
    drawn = rng.random()
    for share, draw in (
        (mixture.quizzes, quiz),
        (mixture.dialogues, told_dialogue),
        (mixture.half_seen, half_seen_dialogue),
        (mixture.seen, seen),
        (mixture.made, made),
    ):
        if drawn < share:
            return _half_disguised(draw(LEVELS[pick(rng, TRAINED_ON)], rng), rng)
        drawn -= share
    for share, of_words in ((mixture.comparisons, comparison), (mixture.choices, choice)):
        if drawn < share:
            return of_words(rng, made_up_words(rng, MADE_UP))
        drawn -= share
    kind = KINDS[pick(rng, [name for name in KINDS for _ in range(mixture.kinds.get(name, 1))])]
    messages = kind.draw(LEVELS[pick(rng, TRAINED_ON)], rng, False).messages
    return _half_disguised(messages, rng) if kind.novel else messages


def _half_disguised(messages: list[Message], rng: np.random.Generator) -> list[Message]:
    return disguised(messages, rng) if chance(rng, DISGUISED) else messages


def disguised(messages: list[Message], rng: np.random.Generator) -> list[Message]:
    """The messages with made-up words in place of some values, the same ones in request and reply.

    An LLM that knows the microworld's words alone learns which of them stand together, and writes a seen pair in place
    of a novel one. Where any word may stand for a colour, it has to look.
    """
    is_seen = next(media_of(messages), None) is not None
    known = [WORDS[i] for i in rng.permutation(len(WORDS))] if is_seen else []  # a blur leaves too little of others
    made_up = {forms: known.pop() if is_seen else made_up_word(rng) for forms in VALUE_FORMS if chance(rng, 0.5)}

    def exchanged(found: re.Match) -> str:
        word = found[0].lower()
        for forms, new in made_up.items():
            if word in forms:
                new = new + "s" if word in PLURALS else new
                return new.capitalize() if found[0][0].isupper() else new
        return found[0]

    def with_exchanged(part: Text | Media) -> Text | Media:
        if isinstance(part, Text):
            return replace(part, text=_VALUES.sub(exchanged, part.text))
        return replace(part, caption=_VALUES.sub(exchanged, part.caption or ""))

    return [replace(message, content=tuple(map(with_exchanged, message.content))) for message in messages]


def made_up_word(rng: np.random.Generator) -> str:
    """Two syllables: ``bako``, ``zilmu``."""
    return "".join(pick(rng, "bdfgklmnprtvz") + pick(rng, "aeiou") + pick(rng, ("", "", "l", "m", "n")) for _ in "12")


def made_up_words(rng: np.random.Generator, number: int) -> list[str]:
    """All different."""
    words: dict[str, None] = {}
    while len(words) < number:
        words[made_up_word(rng)] = None
    return list(words)


def _value_forms() -> Iterator[tuple[str, ...]]:
    """The words for each value, singular and plural."""
    yield from ((color,) for color in COLORS)
    yield from ((shape, plural(shape, 2)) for shape in SHAPES)
    for nouns in TIMBRE_WORDS.values():
        yield tuple(form for noun in dict.fromkeys(nouns) for form in (noun, plural(noun, 2)))
    yield from SIZE_WORDS.values()
    yield from ((words[0],) for words in PITCH_WORDS.values())


VALUE_FORMS = tuple(_value_forms())
NOUNS = (*SHAPES, *(noun for nouns in TIMBRE_WORDS.values() for noun in nouns))
PLURALS = {plural(noun, 2) for noun in NOUNS}
_VALUES = re.compile(r"\b(" + "|".join(form for forms in VALUE_FORMS for form in forms) + r")\b", re.IGNORECASE)
