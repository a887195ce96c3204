"""Scenes that say less than another, or one thing otherwise."""

from dataclasses import replace
from functools import cache

import numpy as np

from anyany.microworld.captions import unsaid
from anyany.microworld.levels import LEVELS, all_things, novel_pairs
from anyany.microworld.questions import VALUES
from anyany.microworld.scenes import SCENES, Scene, Sound, Thing
from anyany.microworld.words import pick
from data_prep.parts.pools import TRAINED_ON

SAID = {"image": ("color", "shape", "size", "place"), "video": ("color", "shape")}
SAID["audio"] = ("timbre", "pitch", "length", "glide")  # what a vague caption may leave out


def vague(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with some attributes left unsaid, its number aside."""
    (thing,) = scene.things
    said = [name for name in SAID[scene.modality] if getattr(thing, name) is not None]
    names = [said[index] for index in rng.permutation(len(said))[: int(rng.integers(1, len(said) + 1))]]
    return SCENES[scene.modality]((unsaid(thing, *names),))


def fits(scene: Scene, told: Scene) -> bool:
    """Whether nothing that ``told`` says is otherwise in the scene; what either leaves unsaid contradicts nothing."""
    (thing,), (other,) = scene.things, told.things
    pairs = [(getattr(thing, name), value) for name, value in vars(other).items()]
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def otherwise(scene: Sound, name: str, rng: np.random.Generator) -> Sound:
    """The same with another timbre or pitch; where the other one of the two is unsaid no novel pair can arise."""
    (beeps,) = scene.events
    others = [value for value in VALUES[name] if value != getattr(beeps, name)]
    return Sound((replace(beeps, **{name: pick(rng, others)}),))


def changed(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with one attribute at another value, so that no novel pair arises."""
    return pick(rng, _near(scene))


@cache
def _near(scene: Scene) -> list[Scene]:
    (thing,) = scene.things
    kind = SCENES[scene.modality]
    things = (other for level in TRAINED_ON for other in all_things(scene.modality, LEVELS[level]))
    all_scenes = dict.fromkeys(kind((other,)) for other in things)  # some speeds say nothing, so some come twice
    return [other for other in all_scenes if _is_one_apart(thing, other.things[0]) and not novel_pairs(other)]


def _is_one_apart(one: Thing, other: Thing) -> bool:
    """Whether exactly one attribute differs; one that is said of one alone contradicts nothing."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in vars(one)]
    differing = [pair for pair in pairs if pair[0] != pair[1]]
    return len(differing) == 1 and None not in differing[0]
