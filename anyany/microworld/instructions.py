"""Instructions about words, which text alone can follow."""

from collections.abc import Callable

import numpy as np

from anyany.microworld.scenes import COLORS, SHAPES, TIMBRES
from anyany.microworld.words import NUMBERS, Exchange, fill, pick, typed

_WORDS = (
    "apple bird book bread cat chair cloud cup day dog door fish flower forest fox garden glass hand hat horse "
    "house ice key lake lamp leaf map milk moon mouse night paper pen rain river road salt sea ship snow star stone "
    "sun table tea tree water wind window wood "
)
WORDS = tuple(_WORDS.split())
# Everything that can be listed, under the name by which it is asked for.
LISTS = {"colors": COLORS, "shapes": SHAPES, "kinds of sound": TIMBRES}
ONE_WORD: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
    "upper": (("write {w} in upper case.", "make {w} upper case.", "put this in capital letters: {w}"), str.upper),
    "spell": (("spell {w}.", "how do you spell {w}?", "spell the word {w}."), "-".join),
    "first": (("what is the first letter of {w}?", "with which letter does {w} begin?"), lambda word: word[0]),
    "last": (("what is the last letter of {w}?", "with which letter does {w} end?"), lambda word: word[-1]),
    "letters": (("how many letters does {w} have?", "count the letters of {w}."), lambda word: NUMBERS[len(word)]),
    "echo": (("say {w}.", "just say the word {w}.", "repeat after me: {w}"), str),
}
TWICE = ("say {w} {n} times.", "repeat the word {w} {n} times.", "write {w} {n} times.")
TURN = ("swap these words: {words}", "say these words the other way round: {words}", "reverse the order: {words}")
COUNT = ("how many words are there: {words}?", "count these words: {words}", "how many words do you see: {words}?")
WHICH = ("which word comes {place}: {words}?", "tell me the {place} of these words: {words}", "the {place} of {words}?")
NAME = ("name {n} {kind}.", "list {n} {kind}.", "tell me {n} {kind}.", "give me {n} {kind}.")
SHORTEST = ("which word is {how}: {words}?", "tell me the {how} of these words: {words}")
PLEAS = ("", "", "please ", "now ")


def instruction(rng: np.random.Generator) -> Exchange:
    """One instruction; the reply is fully determined by it."""
    request, reply = pick(rng, (_one_word, _one_word, _repeat, _turn, _count, _place, _name, _length))(rng)
    answer = {"text": reply, "exact": True} if reply.isupper() else {"text": reply}
    plea = "" if request.endswith("?") else pick(rng, PLEAS)
    return Exchange(typed(plea + request, rng), reply, answer)


def _one_word(rng: np.random.Generator) -> tuple[str, str]:
    templates, follow = ONE_WORD[pick(rng, list(ONE_WORD))]
    word = pick(rng, WORDS)
    return fill(pick(rng, templates), w=word), follow(word)


def _some(rng: np.random.Generator, number: int) -> list[str]:
    return [WORDS[i] for i in rng.permutation(len(WORDS))[:number]]


def _repeat(rng: np.random.Generator) -> tuple[str, str]:
    number, word = int(rng.integers(2, 6)), pick(rng, WORDS)
    return fill(pick(rng, TWICE), w=word, n=NUMBERS[number]), " ".join([word] * number)


def _turn(rng: np.random.Generator) -> tuple[str, str]:
    words = _some(rng, int(rng.integers(2, 4)))
    return fill(pick(rng, TURN[1:] if len(words) > 2 else TURN), words=" ".join(words)), " ".join(words[::-1])


def _count(rng: np.random.Generator) -> tuple[str, str]:
    words = _some(rng, int(rng.integers(1, 6)))
    return fill(pick(rng, COUNT), words=" ".join(words)), NUMBERS[len(words)]


def _place(rng: np.random.Generator) -> tuple[str, str]:
    words = _some(rng, 3)
    index = int(rng.integers(3))
    return fill(pick(rng, WHICH), place=("first", "second", "last")[index], words=", ".join(words)), words[index]


def _name(rng: np.random.Generator) -> tuple[str, str]:
    kind = pick(rng, list(LISTS))
    number = int(rng.integers(2, len(LISTS[kind]) + 1))
    return fill(pick(rng, NAME), n=NUMBERS[number], kind=kind), ", ".join(LISTS[kind][:number])


def _length(rng: np.random.Generator) -> tuple[str, str]:
    words = _some(rng, 2)
    while len(words[0]) == len(words[1]):
        words = _some(rng, 2)
    how = pick(rng, ("longer", "shorter"))
    return fill(pick(rng, SHORTEST), how=how, words=", ".join(words)), (max if how == "longer" else min)(words, key=len)
