"""English at the smallest scale: numbers, plurals, articles, sentences, and a draw from a list."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")


class Exchange(NamedTuple):
    """A request in text, a fitting reply, and what makes replies to it checkable (see ``oracles.answers.is_right``)."""

    request: str
    reply: str
    answer: dict[str, Any]


NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options, each as likely."""
    return options[int(rng.integers(len(options)))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the probability."""
    return bool(rng.random() < probability)


def plural(noun: str, number: int) -> str:
    """The noun as it stands beside the number."""
    if number == 1:
        return noun
    if re.search("[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def be(number: int) -> str:
    """``is`` or ``are``."""
    return "is" if number == 1 else "are"


def with_article(noun: str, number: int) -> str:
    """``a circle`` for one, ``circles`` for more."""
    return tidy(f"a {noun}") if number == 1 else plural(noun, number)


def fill(template: str, **slots: Any) -> str:
    """The template with its slots filled; what an empty slot leaves behind is tidied away."""
    return tidy(template.format(**slots))


def tidy(text: str) -> str:
    """One space between words, none before a comma or a full stop, ``an`` before a vowel."""
    text = re.sub(r"\s+([,.!?:])", r"\1", " ".join(text.split()))
    return re.sub(r"\b([aA]) (?=[aeiou])", r"\1n ", text)


def sentence(text: str, end: str = ".") -> str:
    """A capital at the front, and ``end`` unless the text closes itself."""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else end)


def typed(text: str, rng: np.random.Generator) -> str:
    """What a person types: mostly sentences, now and then all lower case without the last full stop."""
    return text.lower().rstrip(".") if chance(rng, 0.25) else re.sub(r"\bi\b", "I", sentence(text))
