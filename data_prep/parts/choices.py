"""Bare choices: if it is so, say this word, otherwise that one. What a wish with a condition comes down to.

Within a request for a picture or a sound the one word that a condition decides stands among a dozen others, and a
small LLM stays with a guess at it. Replies say what is so before they choose, as those that grant a wish do:
``it is red: tree``.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from anyany.messages.types import Message, assistant, user
from anyany.microworld.instructions import WORDS
from anyany.microworld.levels import NOVEL_PAIRS
from anyany.microworld.words import chance, fill, pick, sentence, tidy, typed
from data_prep.parts.comparisons import SORTS

# What is so, and the conditions of a first and of further rows.
SAID = (
    ("it is {a}.", "it is {b}", "it is {b}"),
    ("they are {a}.", "they are {b}", "they are {b}"),
    ("{a}.", "it is {b}", "it is {b}"),
    ("the thing is {a}.", "the thing is {b}", "it is {b}"),
    ("here is the {c}: {a}.", "the {c} is {b}", "it is {b}"),
    ("the {c} is {a}.", "the {c} is {b}", "it is {b}"),
    ("{a} {c}.", "the {c} is {b}", "it is {b}"),
    ("{c} {a}.", "the {c} is {b}", "it is {b}"),
    ("there are {a} {c}.", "there are {b}", "there are {b}"),
)
ORDERS = ("say", "write", "answer", "the word is", "it should be", "they should be", "it should", "they should")
NOVEL = {frozenset((pair.first[1], pair.second[1])) for pair in NOVEL_PAIRS}
VALUED = [values for values in SORTS if "rising" not in values]  # of shapes a motion is told by that word too
AT_ONCE = 0.6
MOST_TURNS = 6
MOST_ROWS = 4  # of a rule for several things at once, which leave less to guess


def choice(rng: np.random.Generator, made_up: Sequence[str]) -> list[Message]:
    """A rule, and what it is to be applied to: several things at once, or one after the other.

    Args:
        made_up: eleven words that mean nothing, all different.
    """
    while True:
        values, then = _of_a_sort(rng, made_up[:5]), _of_a_sort(rng, made_up[6:])
        if not NOVEL & {frozenset(pair) for pair in product(values, then)}:
            break
    if chance(rng, AT_ONCE):
        return _at_once(rng, values, then)
    return _one_by_one(rng, values, then, made_up[5])


def _of_a_sort(rng: np.random.Generator, made_up: Sequence[str]) -> list[str]:
    """Values of one attribute, other words or made-up ones, each as often: what is to be learned is the place alone."""
    words: Sequence[str] = pick(rng, (made_up, WORDS, pick(rng, VALUED)))
    return [words[i] for i in rng.permutation(len(words))]


def _at_once(rng: np.random.Generator, values: Sequence[str], then: Sequence[str]) -> list[Message]:
    """All things that the rule names in any order, and one or two others."""
    rows = int(rng.integers(1, min(MOST_ROWS, len(values) - 1, len(then) - 1) + 1))
    be = pick(rng, ("it is ", "they are ", ""))
    rule = _rule(rng, [f"{be}{value}" for value in values[:rows]], then)
    asked = rng.permutation(min(rows + int(rng.integers(1, 3)), len(values)))
    said = ", ".join(values[i] for i in asked)
    reply = ", ".join(f"{values[i]}: {then[min(i, rows)]}" for i in asked)
    return [user(typed(f"{sentence(rule)} {sentence(said)}", rng)), assistant(reply)]


def _one_by_one(rng: np.random.Generator, values: Sequence[str], then: Sequence[str], thing: str) -> list[Message]:
    """Up to six turns. Each row holds as often as what there is otherwise."""
    rows, (said, first, further) = 1 + chance(rng, 0.5), pick(rng, SAID)
    when = [fill(further if row else first, b=value, c=thing) for row, value in enumerate(values[:rows])]
    rule = _rule(rng, when, then)
    messages: list[Message] = []
    for _ in range(int(rng.integers(1, MOST_TURNS + 1))):
        holds = int(rng.integers(rows + 1))
        seen = sentence(fill(said, a=pick(rng, values[rows:]) if holds == rows else values[holds], c=thing))
        told = [seen] if messages else [sentence(rule), seen][:: -1 if chance(rng, 0.5) else 1]
        messages += [user(typed(" ".join(told), rng)), assistant(f"{seen[:-1]}: {then[holds]}")]
    return messages


def _rule(rng: np.random.Generator, when: Sequence[str], then: Sequence[str]) -> str:
    """What follows from each condition, and what follows otherwise."""
    orders = [pick(rng, ORDERS)] + [""] * len(when)
    conditions = [*(f"if {condition}," for condition in when), "otherwise"]
    words = zip(conditions, orders, then[: len(conditions)], strict=True)
    return tidy(", ".join(map(" ".join, words)))
