"""Small sums: told as stories, and as bare digits. Every number lies in 0..12."""

import numpy as np

from anyany.microworld.words import NUMBERS, Exchange, be, chance, fill, pick, plural, sentence, typed

LARGEST = len(NUMBERS) - 1
_NAMES = "anna ben carla david emma felix grace henry ida jack lena max nina tom"
NAMES = tuple(name.capitalize() for name in _NAMES.split())
FOODS = ("apple", "plum", "cake", "egg", "cookie", "pear", "nut", "berry")
THINGS = (*FOODS, "book", "cup", "pen", "ball", "key", "stone", "coin", "card", "shell", "hat")
THERE, LEFT = "there {are} {n}", "there {are} {n} left"
SPOTS = ("on the table", "in the box", "in the bag", "on the shelf", "in the basket", "in the room")

# (story, the things it can be of, the question, a full reply)
MORE = (
    ("there were {a} {things} {spot}, and {name} added {b}.", THINGS, "how many {things} are there now?", THERE),
    ("{name} had {a} {things} and got {b} more.", THINGS, "how many {things} does {name} have now?", "{name} has {n}"),
    ("i had {a} {things}, and {name} gave me {b} more.", THINGS, "how many {things} do i have?", "you have {n}"),
    ("i bought {a} {things} yesterday and {b} today.", THINGS, "how many {things} did i buy?", "you bought {n}"),
    ("{name} has {a} {things}, i have {b}.", THINGS, "how many {things} do we have together?", "you have {n} together"),
    ("{a} {things} are {spot} and {b} are outside.", THINGS, "how many {things} are there in all?", f"{THERE} in all"),
    ("{name} picked {a} {things} in the morning and {b} at noon.", FOODS, "how many {things} is that?", "that is {n}"),
)
LESS = (
    ("there were {a} {things} {spot}, i ate {b}.", FOODS, "how many {things} are left?", LEFT),
    ("there were {a} {things} {spot}, and {name} took {b}.", THINGS, "how many {things} are left?", LEFT),
    ("{name} had {a} {things} and lost {b}.", THINGS, "how many {things} does {name} still have?", "{name} has {n}"),
    ("i had {a} {things} and gave {b} to {name}.", THINGS, "how many {things} do i have now?", "you have {n} left"),
    ("{name} baked {a} {things}, and we ate {b} of them.", ("cake", "cookie"), "how many {things} remain?", LEFT),
    ("of {a} {things} {spot}, {name} sold {b}.", THINGS, "how many {things} are still there?", LEFT),
    ("i need {a} {things} and have {b}.", THINGS, "how many {things} are missing?", "{n} {are} missing"),
)
BARE = {
    "+": ("{a} + {b} =", "what is {a} + {b}?", "{a} plus {b}", "what is {a} plus {b}?", "add {b} to {a}."),
    "-": ("{a} - {b} =", "what is {a} - {b}?", "{a} minus {b}", "what is {a} minus {b}?", "take {b} from {a}."),
}
FRONTS = ("", "quick: ", "a sum: ", "i wonder: ", "tell me: ", "next: ", "hello, ", "and now: ")


def story(rng: np.random.Generator) -> Exchange:
    """A sum in words: ``there were 7 apples on the table, i ate one. how many apples are left?``"""
    adds = chance(rng, 0.5)
    text, things, question, full = pick(rng, MORE if adds else LESS)
    a = int(rng.integers(2, LARGEST))
    b = int(rng.integers(1, (LARGEST - a if adds else a) + 1))
    result = a + b if adds else a - b
    digits = chance(rng, 0.5)
    thing, name = pick(rng, things), pick(rng, NAMES)
    slots = {"things": plural(thing, 2), "name": name, "spot": pick(rng, SPOTS)}
    shown = {"a": a if digits else NUMBERS[a], "b": b if digits else NUMBERS[b]}
    request = " ".join(sentence(fill(part, **slots, **shown)) for part in (text, question))
    n = f"{NUMBERS[result] if result else 'no'} {plural(thing, result)}"
    full = sentence(fill(full, name=name, n=n, are=be(result)))
    reply = pick(rng, (NUMBERS[result], full))
    return Exchange(typed(request, rng), reply, {"attribute": "number", "value": result})


def bare(rng: np.random.Generator) -> Exchange:
    """A sum in digits: ``7 - 1 =``, answered by digits."""
    sign = pick(rng, ("+", "-"))
    a = int(rng.integers(0, LARGEST + 1))
    b = int(rng.integers(0, (LARGEST - a if sign == "+" else a) + 1))
    result = a + b if sign == "+" else a - b
    request = fill(pick(rng, FRONTS) + pick(rng, BARE[sign]), a=a, b=b)
    return Exchange(request, str(result), {"attribute": "number", "value": result})
