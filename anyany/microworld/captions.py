"""Scenes in words. The phrasings are tables; the code picks one that fits what the scene says and fills it."""

from dataclasses import replace
from typing import Any

import numpy as np

from anyany.microworld.scenes import DIRECTIONS, Beeps, Clip, Group, Picture, Scene, Thing
from anyany.microworld.words import NUMBERS, be, chance, fill, pick, plural

GROUPS = ("{n} {size} {color} {shape}", "{n} {size} {color} {shape}", "{n} {size} {shape} in {color}")
BEEPS = ("{n} {length} {pitch} {timbre}", "{n} {length} {timbre} with a {pitch_noun} pitch")
BEEPS_GLIDING = (
    "{n} {length} {pitch} {glide} {timbre}",
    "{n} {length} {pitch} {timbre} that {glides}",
    "{n} {length} {pitch} {timbre} {gliding}",
    "{n} {length} {glide} {timbre} with a {pitch_noun} pitch",
)
SIZES = {"small": ("small", "little"), "large": ("large", "big")}
PLACES = {
    "left": ("on the left", "on the left side"),
    "right": ("on the right", "on the right side"),
    "top": ("at the top",),
    "bottom": ("at the bottom",),
    "middle": ("in the middle", "in the center"),
}
RELATIONS = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above",),
    "below": ("below", "under"),
}
TIMBRES = {"tone": ("tone", "tone", "beep"), "buzz": ("buzz",), "hiss": ("hiss",), "chirp": ("chirp",)}
PITCHES = {"low": ("low", "low-pitched"), "middle": ("medium", "medium-pitched"), "high": ("high", "high-pitched")}

# Verbs in three forms: they move, it moves, moving.
_GO = (("move", "moves", "moving"), ("slide", "slides", "sliding"), ("go", "goes", "going"))
MOTIONS = dict.fromkeys(DIRECTIONS, _GO) | {
    "grow": (("grow", "grows", "growing"), ("get bigger", "gets bigger", "getting bigger")),
    "shrink": (("shrink", "shrinks", "shrinking"), ("get smaller", "gets smaller", "getting smaller")),
    "appear": (("appear", "appears", "appearing"),),
    "vanish": (("vanish", "vanishes", "vanishing"), ("disappear", "disappears", "disappearing")),
}
WAYS = {
    "left": ("to the left", "left"),
    "right": ("to the right", "right"),
    "up": ("up", "upwards"),
    "down": ("down", "downwards"),
}
SPEEDS = {"slow": "slowly", "fast": "quickly"}
MOVED = ("{verb} {speed} {way}", "{verb} {way} {speed}", "{speed} {verb} {way}", "{verb} {way} at a {pace} pace")
GLIDES = {
    "rising": (("rise", "rises", "rising"), ("go up", "goes up", "going up")),
    "falling": (("fall", "falls", "falling"), ("go down", "goes down", "going down")),
    "flat": (("stay flat", "stays flat", "staying flat"), ("stay level", "stays level", "staying level")),
}

# What a scene is called in the middle of a sentence, by the form of the scene. {a} and {b} are its things.
NOUNS = {
    "picture of one": ("{a}",),
    "picture of one, placed": ("{a} {place}",),
    "picture of two": ("{a} {relation} {b}",),
    "clip of one": ("{a} {a_moving}", "{a} that {a_moves}"),
    "clip of one, unmoved": ("{a}",),
    "clip of two, unmoved": ("{a}, then {b} {b_moving}",),
    "clip of two": (
        "{a} {a_moving}, then {b} {b_moving}",
        "{a} that {a_moves}, and then {b} that {b_moves}",
        "{a} {a_moving}, followed by {b} {b_moving}",
    ),
    "sound of one": ("{a}",),
    "sound of two": ("{a}, then {b}", "{a} and then {b}", "{a} followed by {b}"),
}
# What frames such a noun to a caption, and what else a caption may be.
_PICTURE = ("{it}", "a picture of {it}", "an image of {it}", "a drawing of {it}", "there {is} {it}", "we see {it}")
_CLIP = ("{it}", "a clip of {it}", "a video of {it}", "we see {it}", "a short clip that shows {it}")
_SOUND = ("{it}", "a sound of {it}", "a recording of {it}", "we hear {it}", "there {is} {it}", "the sound of {it}")
SENTENCES = {
    "picture of one": (*_PICTURE, "a picture with {it}", "the picture shows {it}"),
    "picture of one, placed": (*_PICTURE, "{place} there {is} {a}", "{a}, {place}", "{place}, {a}"),
    "picture of two": (*_PICTURE, "{relation} {b} there {is} {a}", "{b} with {a} {relation} {b_it}"),
    "clip of one": (*_CLIP, "{a} {a_moves}", "a clip in which {a} {a_moves}", "in the video, {a} {a_moves}"),
    "clip of two": (
        *_CLIP,
        "first {a} {a_moves}, then {b} {b_moves}",
        "{a} {a_moves} before {b} {b_moves}",
        "{b} {b_moves} after {a} {a_moves}",
        "after {a} {a_moves}, {b} {b_moves}",
        "a clip in which {a} {a_moves} and then {b} {b_moves}",
    ),
    "sound of one": (*_SOUND, "{it} can be heard"),
    "sound of two": (*_SOUND, "first {a}, then {b}", "{a} before {b}", "{b} after {a}", "first {a} and after that {b}"),
}


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """The scene in one of its phrasings: lower case, all that is said and nothing else."""
    template = pick(rng, SENTENCES[form(scene)])
    return fill(template, it=noun(scene, rng), **_slots(scene, rng))


def noun(scene: Scene, rng: np.random.Generator) -> str:
    """The scene as it stands after "draw" or "here is"."""
    return fill(pick(rng, NOUNS[form(scene)]), **_slots(scene, rng))


def form(scene: Scene) -> str:
    """The key of the phrasings that fit the scene."""
    assert len(scene.things) in (1, 2), f"phrasings are for one or two things, found {len(scene.things)}"
    name = f"{type(scene).__name__.lower()} of {('one', 'two')[len(scene.things) - 1]}"
    if isinstance(scene, Picture) and scene.groups[0].place:
        return f"{name}, placed"
    if isinstance(scene, Clip) and scene.groups[0].motion is None:
        return f"{name}, unmoved"
    return name


def phrase(thing: Thing, rng: np.random.Generator) -> str:
    """The thing by its number, look and sound, without its place and motion: ``two small red circles``.

    A shape or timbre that is unsaid becomes ``shape`` or ``sound``.
    """
    return _beeps(thing, rng) if isinstance(thing, Beeps) else _group(thing, rng)


def moving(group: Group, form_index: int, rng: np.random.Generator) -> str:
    """What the group does: 0 ``move left``, 1 ``moves left``, 2 ``moving left``; empty where no motion is said."""
    if group.motion is None:
        return ""
    verb = pick(rng, MOTIONS[group.motion])[form_index]
    way = pick(rng, WAYS.get(group.motion, ("",)))
    if group.speed is None:
        return fill("{verb} {way}", verb=verb, way=way)
    return fill(pick(rng, MOVED), verb=verb, way=way, speed=SPEEDS[group.speed], pace=group.speed)


def finite(number: int) -> int:
    """Which form of a verb stands beside so many: ``they move`` or ``it moves``."""
    return 1 if number == 1 else 0


def unsaid(thing: Thing, *names: str) -> Thing:
    """The thing with these attributes left unsaid."""
    nothing: dict[str, Any] = dict.fromkeys(names)
    return replace(thing, **nothing)


def _slots(scene: Scene, rng: np.random.Generator) -> dict[str, str]:
    slots = {"is": be(scene.things[0].number)}
    things: tuple[Thing, ...] = scene.things
    for name, thing in zip("ab", things, strict=False):
        slots[name] = phrase(thing, rng)
        slots[f"{name}_it"] = "it" if thing.number == 1 else "them"
        if isinstance(thing, Group):
            slots[f"{name}_moves"] = moving(thing, finite(thing.number), rng)
            slots[f"{name}_moving"] = moving(thing, 2, rng)
    if isinstance(scene, Picture):
        slots["place"] = pick(rng, PLACES.get(scene.groups[0].place or "", ("",)))
        slots["relation"] = pick(rng, RELATIONS.get(scene.relation or "", ("",)))
    return slots


def _number(number: int, rng: np.random.Generator) -> str:
    if number == 1:
        return "one" if chance(rng, 0.2) else "a"
    return str(number) if chance(rng, 0.15) else NUMBERS[number]


def _group(group: Group, rng: np.random.Generator) -> str:
    template = pick(rng, GROUPS if group.color else GROUPS[:1])
    return fill(
        template,
        n=_number(group.number, rng),
        size=pick(rng, SIZES.get(group.size or "", ("",))),
        color=group.color or "",
        shape=plural(group.shape or "shape", group.number),
    )


def _beeps(beeps: Beeps, rng: np.random.Generator) -> str:
    templates = BEEPS_GLIDING if beeps.glide else BEEPS
    gliding = pick(rng, GLIDES.get(beeps.glide or "", (("", "", ""),)))
    return fill(
        pick(rng, templates if beeps.pitch else templates[:1]),
        n=_number(beeps.number, rng),
        length=beeps.length or "",
        pitch=pick(rng, PITCHES.get(beeps.pitch, ("",))),
        pitch_noun=PITCHES[beeps.pitch][0] if beeps.pitch else "",
        timbre=plural(pick(rng, TIMBRES.get(beeps.timbre, ("sound",))), beeps.number),
        glide=beeps.glide or "",
        glides=gliding[finite(beeps.number)],
        gliding=gliding[2],
    )
