"""Scenes: what the microworld is made of, as data. Everything else follows from a scene and a seed.

A scene says what is asked for; what it leaves unsaid (``None``) a renderer chooses freely from its seed. So the
attributes that a caption names, an oracle checks and a figure counts are exactly the ones that are not ``None``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import permutations
from typing import Any

COLORS = ("red", "yellow", "green", "cyan", "blue", "purple")
SHAPES = ("circle", "square", "triangle", "cross", "ring")
SIZES = ("small", "large")
PLACES = ("left", "right", "top", "bottom", "middle")  # of the middle of a group
RELATIONS = ("left of", "right of", "above", "below")  # of the first group to the second
MOTIONS = ("left", "right", "up", "down", "grow", "shrink", "appear", "vanish")
SPEEDS = ("slow", "fast")  # of the four directions; the other motions have none
TIMBRES = ("tone", "buzz", "hiss", "chirp")
PITCHES = ("low", "middle", "high")
LENGTHS = ("short", "long")
GLIDES = ("flat", "rising", "falling")
DIRECTIONS = ("left", "right", "up", "down")


@dataclass(frozen=True)
class Group:
    """``number`` equal shapes in a picture or a clip."""

    number: int
    color: str
    shape: str
    size: str | None = None
    place: str | None = None
    motion: str | None = None  # in clips alone, where it is always said
    speed: str | None = None  # of a direction alone


@dataclass(frozen=True)
class Beeps:
    """``number`` equal events in a sound."""

    number: int
    timbre: str
    pitch: str
    length: str | None = None
    glide: str | None = None


@dataclass(frozen=True)
class Picture:
    groups: tuple[Group, ...]
    relation: str | None = None  # of groups[0] to groups[1]

    modality = "image"

    @property
    def things(self) -> tuple[Group, ...]:
        return self.groups


@dataclass(frozen=True)
class Clip:
    groups: tuple[Group, ...]  # in the order of their motions: each moves after the one before has done so

    modality = "video"

    @property
    def things(self) -> tuple[Group, ...]:
        return self.groups


@dataclass(frozen=True)
class Sound:
    events: tuple[Beeps, ...]  # in the order in which they are heard

    modality = "audio"

    @property
    def things(self) -> tuple[Beeps, ...]:
        return self.events


Thing = Group | Beeps
Scene = Picture | Clip | Sound
SCENES: dict[str, type] = {kind.modality: kind for kind in (Picture, Clip, Sound)}


@dataclass(frozen=True)
class Unreadable:
    """What an oracle answers where there is nothing of its kind to read."""

    reason: str


def attributes(scene: Scene) -> dict[str, Any]:
    """What a scene says, flat: ``{"number": 2, "color": "red", ...}``, with ``"1.color"`` for the second thing."""
    said = _said_of(scene.things)
    if isinstance(scene, Picture) and scene.relation is not None:
        said["relation"] = scene.relation
    return said


def compare(wanted: Scene, read: Scene | Unreadable) -> dict[str, bool]:
    """Whether each attribute that ``wanted`` says was read with the same value.

    The groups of a picture have no order: the assignment with the most hits counts (a swapped relation is then turned
    round). Things too many or too few make ``"count"`` false, which stands beside the attributes.
    """
    said = attributes(wanted)
    if isinstance(read, Unreadable) or type(read) is not type(wanted):
        return dict.fromkeys(said, False) | {"count": False}
    hits = [{name: seen.get(name) == v for name, v in said.items()} for seen in _readings(read, len(wanted.things))]
    best = max(hits, key=lambda hit: sum(hit.values()))
    return best | {"count": len(read.things) == len(wanted.things)}


def to_json(scene: Scene) -> dict[str, Any]:
    """Plain data that ``from_json`` turns back; what is unsaid is left out."""
    things = [{k: v for k, v in asdict(thing).items() if v is not None} for thing in scene.things]
    relation = {"relation": scene.relation} if isinstance(scene, Picture) and scene.relation else {}
    return {"modality": scene.modality, "things": things} | relation


def from_json(data: Mapping[str, Any]) -> Scene:
    """The inverse of ``to_json``."""
    modality = data["modality"]
    things = tuple(thing_of(modality, thing) for thing in data["things"])
    return Picture(things, data.get("relation")) if modality == "image" else SCENES[modality](things)  # type: ignore[arg-type]


def thing_of(modality: str, said: Mapping[str, Any]) -> Thing:
    thing: Thing = Beeps(**said) if modality == "audio" else Group(**said)
    if isinstance(thing, Group) and thing.motion not in (None, *DIRECTIONS) and thing.speed is not None:
        return Group(**{**said, "speed": None})
    return thing


_TURNED = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def _said_of(things: Sequence[Thing | None]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for index, thing in enumerate(things):
        prefix = f"{index}." if len(things) > 1 else ""
        if thing is not None:
            said |= {prefix + f.name: v for f in fields(thing) if (v := getattr(thing, f.name)) is not None}
    return said


def _readings(scene: Scene, num_things: int) -> Iterator[dict[str, Any]]:
    """What the scene says as ``num_things`` things, for each way to number them: a picture's have no order."""
    things: list[Thing | None] = [*scene.things, *[None] * (num_things - len(scene.things))]
    if not isinstance(scene, Picture):
        yield _said_of(things[:num_things])
        return
    for order in permutations(things, num_things):
        turned = len(things) == 2 and order[0] is not things[0]
        relation = _TURNED.get(scene.relation or "") if turned else scene.relation
        yield _said_of(order) | {"relation": relation}
