"""The levels of the microworld: how much a scene says, which pairs of values are kept for later, and drawing scenes.

``novel`` pairs are named combinations that never occur together outside ``test_novel``, in any modality or text, while
each of their values is common by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from anyany.microworld.scenes import (
    COLORS,
    GLIDES,
    LENGTHS,
    MOTIONS,
    PITCHES,
    PLACES,
    RELATIONS,
    SCENES,
    SHAPES,
    SIZES,
    SPEEDS,
    TIMBRES,
    Picture,
    Scene,
    Thing,
    thing_of,
)


@dataclass(frozen=True)
class Level:
    """How much is said, and how large the media are. ``said[modality]`` maps each attribute to its values."""

    name: str
    said: Mapping[str, Mapping[str, tuple[Any, ...]]]
    num_things: int  # groups in a picture or clip, kinds of event in a sound
    max_number: int  # shapes in a picture or events in a sound, all groups together
    image_px: int
    num_frames: int
    frame_rate_hz: int
    sound_s: float
    sample_rate_hz: int = 16_000


_EASY: dict[str, dict[str, tuple[Any, ...]]] = {
    "image": {"number": (1, 2, 3), "color": COLORS, "shape": SHAPES},
    "video": {"number": (1,), "color": COLORS, "shape": SHAPES, "motion": MOTIONS},
    "audio": {"number": (1, 2, 3), "timbre": TIMBRES, "pitch": PITCHES},
}
_STANDARD: dict[str, dict[str, tuple[Any, ...]]] = {
    "image": {"number": (1, 2, 3, 4), "color": COLORS, "shape": SHAPES, "size": SIZES, "place": PLACES},
    "video": {"number": (1, 2), "color": COLORS, "shape": SHAPES, "motion": MOTIONS, "speed": SPEEDS},
    "audio": {"number": (1, 2, 3, 4), "timbre": TIMBRES, "pitch": PITCHES, "length": LENGTHS, "glide": GLIDES},
}
_HARD: dict[str, dict[str, tuple[Any, ...]]] = {
    "image": {"number": (1, 2, 3, 4, 5, 6), "color": COLORS, "shape": SHAPES},
    "video": {"number": (1, 2), "color": COLORS, "shape": SHAPES, "motion": MOTIONS},
    "audio": {"number": (1, 2, 3, 4, 5, 6), "timbre": TIMBRES, "pitch": PITCHES, "glide": GLIDES},
}
LEVELS = {
    level.name: level
    for level in (
        Level("easy", _EASY, 1, 3, image_px=32, num_frames=8, frame_rate_hz=4, sound_s=2.0),
        Level("standard", _STANDARD, 1, 4, image_px=32, num_frames=8, frame_rate_hz=4, sound_s=2.0),
        Level("hard", _HARD, 2, 7, image_px=64, num_frames=16, frame_rate_hz=8, sound_s=3.0),
    )
}


@dataclass(frozen=True)
class Pair:
    """Two attribute values of one thing."""

    first: tuple[str, str]
    second: tuple[str, str]

    def is_in(self, thing: Thing) -> bool:
        return all(getattr(thing, name, None) == value for name, value in (self.first, self.second))

    def __str__(self) -> str:
        return f"{self.first[1]} {self.second[1]}"


NOVEL_PAIRS = (
    Pair(("color", "red"), ("shape", "triangle")),
    Pair(("color", "blue"), ("shape", "ring")),
    Pair(("color", "green"), ("shape", "cross")),
    Pair(("color", "yellow"), ("shape", "square")),
    Pair(("color", "purple"), ("shape", "circle")),
    Pair(("shape", "circle"), ("motion", "grow")),
    Pair(("shape", "triangle"), ("motion", "up")),
    Pair(("shape", "ring"), ("motion", "right")),
    Pair(("timbre", "tone"), ("pitch", "low")),
    Pair(("timbre", "buzz"), ("pitch", "high")),
    Pair(("timbre", "hiss"), ("pitch", "middle")),
)
SPLITS = ("train", "val", "test", "test_novel")


def novel_pairs(scene: Scene) -> list[Pair]:
    """The pairs of NOVEL_PAIRS that a scene holds."""
    return [pair for pair in NOVEL_PAIRS for thing in scene.things if pair.is_in(thing)]


def sample_scene(modality: str, level: Level, rng: np.random.Generator, novel: bool = False) -> Scene:
    """A scene of the level: without any novel pair, or (``novel``) with at least one.

    Things of one scene differ in colour and in shape, or in timbre, so that each can be told and counted.
    """
    for _ in range(10_000):
        things = tuple(_sample_thing(modality, level, rng) for _ in range(level.num_things))
        scene = _assemble(modality, things, rng)
        if _is_possible(things, level) and bool(novel_pairs(scene)) == novel:
            return scene
    raise AssertionError(f"no {modality} scene of level {level.name!r} with novel={novel} in 10,000 draws")


def all_things(modality: str, level: Level) -> Iterator[Thing]:
    """Every thing that the level can say, in a fixed order."""
    said = level.said[modality]
    for values in product(*said.values()):
        yield thing_of(modality, dict(zip(said, values, strict=True)))


def _sample_thing(modality: str, level: Level, rng: np.random.Generator) -> Thing:
    said = level.said[modality]
    return thing_of(modality, {name: values[rng.integers(len(values))] for name, values in said.items()})


def _assemble(modality: str, things: tuple[Thing, ...], rng: np.random.Generator) -> Scene:
    if modality == "image" and len(things) == 2:
        return Picture(things, RELATIONS[rng.integers(len(RELATIONS))])  # type: ignore[arg-type]
    return SCENES[modality](things)


def _is_possible(things: tuple[Thing, ...], level: Level) -> bool:
    if sum(thing.number for thing in things) > level.max_number:
        return False
    for name in ("color", "shape", "timbre"):
        values = [getattr(thing, name, index) for index, thing in enumerate(things)]
        if len(set(values)) < len(values):
            return False
    return True
