"""What is said of a thing that was named before: ``the circles``, ``they are red``, ``it moves left``, ``rise``."""

from typing import Any

import numpy as np

from anyany.microworld.captions import GLIDES, PITCHES, PLACES, RELATIONS, SPEEDS, finite, moving
from anyany.microworld.scenes import Beeps, Group, Scene, Thing
from anyany.microworld.words import be, fill, pick, plural, with_article

MEDIA_NOUNS = {"image": ("picture", "image"), "video": ("clip", "video"), "audio": ("recording",)}


def refer(scene: Scene, index: int, rng: np.random.Generator, avoid: str = "", number: int | None = None) -> str:
    """A noun for one thing of the scene, told from the others, without the value of the attribute ``avoid``.

    ``circles``, ``red shape``, ``first sounds``; ``number`` in place of the thing's own decides between one and many.
    """
    thing = scene.things[index]
    number = thing.number if number is None else number
    several = len(scene.things) > 1
    if isinstance(thing, Beeps):
        general = plural("sound", number)
        nouns = [plural(thing.timbre, number)] if avoid != "timbre" else []
        if not several:
            nouns += [general]
        elif avoid != "number":
            nouns += [f"{('first', 'second')[index]} {general}"]
        return pick(rng, nouns)
    general = plural("thing" if avoid == "shape" else "shape", number)
    nouns = [] if several else [general]
    nouns += [plural(thing.shape, number)] if avoid != "shape" else []
    nouns += [f"{thing.color} {general}"] if avoid != "color" else []
    return pick(rng, nouns)


def predicate(name: str, value: Any, number: int, rng: np.random.Generator, verb: str = "") -> str:
    """What a thing is or does where the attribute has the value: ``be red``, ``move left``, ``rise``.

    ``verb`` is what stands for ``be``; where it is not given, the predicate takes the form that follows so many things:
    ``is red``, ``moves left``, ``rise``.
    """
    if name == "glide":
        return pick(rng, GLIDES[value])[0 if verb else finite(number)]
    if name == "motion":
        group = Group(number, color="", shape="", motion=value)
        return moving(group, 0 if verb else finite(number), rng)
    if name == "speed":
        return f"{'move' if verb else ('move', 'moves')[finite(number)]} {SPEEDS[value]}"
    return f"{verb or be(number)} {complement(name, value, number, rng)}"


def is_verbal(name: str) -> bool:
    """Whether a thing does, and not is, what the attribute says of it."""
    return name in ("glide", "motion", "speed")


def complement(name: str, value: Any, number: int, rng: np.random.Generator) -> str:
    """What follows ``is``: ``red``, ``circles``, ``on the left``, ``medium``."""
    if name in ("shape", "timbre"):
        return with_article(value, number)
    if name == "place":
        return pick(rng, PLACES[value])
    return PITCHES[value][0] if name == "pitch" else str(value)


def they(number: int) -> str:
    """``it`` or ``they``."""
    return "it" if number == 1 else "they"


def related(scene: Scene, rng: np.random.Generator) -> str:
    """How the first group of a picture stands to the second: ``above the squares``."""
    relation = pick(rng, RELATIONS[scene.relation])  # type: ignore[union-attr, index]
    return fill("{relation} the {other}", relation=relation, other=refer(scene, 1, rng))


def inside(modality: str, rng: np.random.Generator) -> str:
    """``in the picture``, ``in the clip``, ``in the recording``."""
    return f"in the {pick(rng, MEDIA_NOUNS[modality])}"


def changed_to(thing: Thing, name: str, rng: np.random.Generator) -> str:
    """A thing's new value as it stands behind its noun: ``in blue``, ``rising``, ``at the top``."""
    value = getattr(thing, name)
    if isinstance(thing, Group) and name in ("motion", "speed"):
        return moving(thing, 2, rng) if name == "motion" else f"moving {SPEEDS[value]}"
    if name == "glide":
        return pick(rng, GLIDES[value])[2]
    if name in ("shape", "timbre"):
        return f"as {complement(name, value, thing.number, rng)}"
    if name == "color":
        return f"in {value}"
    if name == "pitch":
        return f"at a {PITCHES[value][0]} pitch"
    return complement(name, value, thing.number, rng)
