"""Bare comparisons: is this word that one, is this pair among those. What a question for yes or no comes down to.

Of such a question within a scene an LLM learns first that "no" is as likely as "yes", and that is where a small one
stays: the reply is one bit, and the words that decide it stand among many others.
"""

from collections.abc import Sequence

import numpy as np

from anyany.messages.types import Message, assistant, user
from anyany.microworld.instructions import WORDS
from anyany.microworld.questions import VALUES
from anyany.microworld.words import NUMBERS, chance, fill, pick, typed

# What is said, what is asked, and the subject of a full reply.
OF_WORDS = (
    ("it is {a}.", "is it {b}?", "it is"),
    ("they are {a}.", "are they {b}?", "they are"),
    ("{a}.", "is it {b}?", "it is"),
    ("the thing is {a}.", "is the thing {b}?", "it is"),
    ("the things are {a}.", "are the things {b}?", "they are"),
    ("here is the {c}: {a}.", "is the {c} {b}?", "it is"),
    ("the {c} is {a}.", "is the {c} {b}?", "it is"),
    ("there are {a} {c}.", "are there {b} {c}?", "there are"),
    ("{a} {c}.", "is the {c} {b}?", "it is"),
    ("{c} {a}.", "is the {c} {b}?", "it is"),
)
OF_PAIRS = ("is there a {b} {c}?", "do you see a {b} {c}?", "do you hear a {b} {c}?", "is one {c} {b}?")
FULL = 0.3  # of the replies about words
MOST_TURNS = 3
ATTRIBUTES = [values for name, values in VALUES.items() if name != "number" and len(values) > 2]
Words = Sequence[str]
SORTS: Sequence[Words] = (*ATTRIBUTES, NUMBERS[1:7])


def comparison(rng: np.random.Generator, made_up: Words) -> list[Message]:
    """Up to three questions on what the first turn says; the reply is yes as often as no.

    Args:
        made_up: six words that mean nothing, all different.
    """
    return (_of_pairs if chance(rng, 0.4) else _of_words)(rng, made_up)


def _of_words(rng: np.random.Generator, made_up: Words) -> list[Message]:
    said, asked, subject = pick(rng, OF_WORDS)
    true, *others = _choice(rng, made_up[:5], SORTS)
    messages: list[Message] = []
    for _ in range(int(rng.integers(1, MOST_TURNS + 1))):
        yes = chance(rng, 0.5)
        question = fill(asked, b=true if yes else pick(rng, others), c=made_up[5])
        messages += _turn(rng, "" if messages else fill(said, a=true, c=made_up[5]), question, yes, f"{subject} {true}")
    return messages


def _of_pairs(rng: np.random.Generator, made_up: Words) -> list[Message]:
    """A wrong pair has the first word of another pair, or of none."""
    firsts, seconds = _choice(rng, made_up[:3], ATTRIBUTES)[:3], made_up[3:]
    number, asked = int(rng.integers(1, 4)), pick(rng, OF_PAIRS)
    pairs = [f"a {firsts[i]} {seconds[i]}" for i in range(number)]
    messages: list[Message] = []
    for _ in range(int(rng.integers(1, MOST_TURNS + 1))):
        yes, index = chance(rng, 0.5), int(rng.integers(number))
        first = firsts[index] if yes else pick(rng, [f for f in firsts if f != firsts[index]])
        question = fill(asked, b=first, c=seconds[index])
        messages += _turn(rng, "" if messages else fill("{pairs}.", pairs=" and ".join(pairs)), question, yes, "")
    return messages


def _choice(rng: np.random.Generator, made_up: Words, sorts: Sequence[Words]) -> list[str]:
    """Three words or more of one sort: the first is true. Values of one attribute come as often as other words."""
    kind = int(rng.integers(4))
    if kind < 2:
        return list(made_up)
    if kind == 2:
        return [WORDS[i] for i in rng.permutation(len(WORDS))[:5]]
    values = pick(rng, sorts)
    return [values[i] for i in rng.permutation(len(values))]


def _turn(rng: np.random.Generator, said: str, question: str, yes: bool, truth: str) -> list[Message]:
    word = "yes" if yes else "no"
    full = f"{word.capitalize()}, {truth}." if truth and chance(rng, FULL) else word
    return [user(typed(f"{said} {question}".strip(), rng)), assistant(full)]
