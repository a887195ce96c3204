"""Exchanges that a scene answers, with the reply and the answer as plain data."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from anyany.microworld.captions import RELATIONS as RELATION_PHRASES
from anyany.microworld.captions import phrase
from anyany.microworld.clauses import complement, is_verbal, predicate, refer, related, they
from anyany.microworld.levels import novel_pairs
from anyany.microworld.oracles.captions import text_novel_pairs
from anyany.microworld.scenes import (
    COLORS,
    GLIDES,
    LENGTHS,
    MOTIONS,
    PITCHES,
    PLACES,
    RELATIONS,
    SHAPES,
    SIZES,
    SPEEDS,
    TIMBRES,
    Picture,
    Scene,
    Sound,
    Thing,
    to_json,
)
from anyany.microworld.words import NUMBERS, Exchange, be, chance, fill, pick, sentence, with_article

VALUES: dict[str, tuple[Any, ...]] = {
    "number": tuple(range(1, 7)),
    "color": COLORS,
    "shape": SHAPES,
    "size": SIZES,
    "place": PLACES,
    "motion": MOTIONS,
    "speed": SPEEDS,
    "timbre": TIMBRES,
    "pitch": PITCHES,
    "length": LENGTHS,
    "glide": GLIDES,
}
ASKED = {
    "number": ("how many {many} are there?", "how many {many} do you {see}?", "count the {many}."),
    "color": ("what color {is} the {one}?", "which color {is} the {one}?", "tell me the color of the {one}."),
    "shape": ("what shape {is} the {one}?", "name the shape of the {one}.", "tell me the shape of the {one}."),
    "size": ("{is} the {one} small or large?", "what size {is} the {one}?", "how large {is} the {one}?"),
    "place": ("where {is} the {one}?", "where do you see the {one}?", "tell me where the {one} {is}."),
    "motion": ("what {does} the {one} do?", "what happens to the {one}?", "how {does} the {one} move or change?"),
    "speed": ("how fast {does} the {one} move?", "{is} the {one} slow or fast?"),
    "timbre": ("what {is} the {one}?", "{is} the {one} {timbres}?"),
    "pitch": ("what is the pitch of the {one}?", "{is} the {one} low, medium or high?"),
    "length": ("how long {is} the {one}?", "{is} the {one} short or long?"),
    "glide": ("{does} the {one} rise, fall or stay flat?", "how does the pitch of the {one} change?"),
}
FIRST = {
    "video": ("what {moves} {first}?", "which shape comes {first}?", "which shape {moves} {first}?"),
    "audio": ("what do you hear {first}?", "which sound comes {first}?", "what kind of sound is {first}?"),
}


def question(scene: Scene, rng: np.random.Generator) -> Exchange:
    """A question that the scene answers. Where the scene holds no novel pair, neither question nor reply does."""
    for _ in range(1_000):
        asked = pick(rng, _kinds(scene))(scene, rng)
        if novel_pairs(scene) or not text_novel_pairs(f"{asked.request}. {asked.reply}"):
            return asked
    raise AssertionError(f"no question without a novel pair in 1,000 draws for {scene}")


def of_attribute(scene: Scene, index: int, name: str, rng: np.random.Generator) -> Exchange:
    """What value an attribute of one thing has."""
    thing = scene.things[index]
    reply = _reply(thing, name, rng)
    return Exchange(ask(scene, index, name, rng), reply, {"attribute": name, "value": getattr(thing, name)})


def ask(scene: Scene, index: int, name: str, rng: np.random.Generator) -> str:
    """A question for an attribute of one thing, whether the scene says it or not."""
    thing = scene.things[index]
    many, one = refer(scene, index, rng, name, number=2), refer(scene, index, rng, name)
    slots = {"is": be(thing.number), "does": "does" if thing.number == 1 else "do"}
    *timbres, last = (with_article(timbre, thing.number) for timbre in TIMBRES)
    slots["timbres"] = f"{', '.join(timbres)} or {last}"
    return fill(pick(rng, ASKED[name]), many=many, one=one, see=_see(scene), **slots)


def yes_or_no(scene: Scene, rng: np.random.Generator) -> Exchange:
    """Whether an attribute of one thing has a value."""
    index = int(rng.integers(len(scene.things)))
    thing = scene.things[index]
    name = pick(rng, _said(thing))
    true = getattr(thing, name)
    value = true if chance(rng, 0.5) else pick(rng, [v for v in VALUES[name] if v != true])
    yes, answer = _answer(value == true)
    if name == "number":
        full = f"{yes}, there {be(true)} {NUMBERS[true]}."
        text = f"{be(value)} there {NUMBERS[value]} {refer(scene, index, rng, name, number=value)}?"
    else:
        full = f"{yes}, {they(thing.number)} {predicate(name, true, thing.number, rng)}."
    if is_verbal(name):
        does = "does" if thing.number == 1 else "do"
        text = f"{does} the {refer(scene, index, rng, name)} {predicate(name, value, thing.number, rng, verb='be')}?"
    elif name != "number":
        one = refer(scene, index, rng, name)
        text = f"{be(thing.number)} the {one} {complement(name, value, thing.number, rng)}?"
    return Exchange(text, pick(rng, (yes, sentence(full))), answer)


def presence(scene: Scene, rng: np.random.Generator) -> Exchange:
    """Whether there is a thing of some look or sound."""
    names = ("timbre", "pitch") if isinstance(scene, Sound) else ("color", "shape")
    things: tuple[Thing, ...] = scene.things
    wanted = pick(rng, things)
    if chance(rng, 0.5):
        name = pick(rng, names)
        wanted = replace(wanted, **{name: pick(rng, VALUES[name])})
    there = any(all(getattr(t, name) == getattr(wanted, name) for name in names) for t in scene.things)
    noun = phrase(type(wanted)(1, *(getattr(wanted, name) for name in names)), rng)
    yes, answer = _answer(there)
    text = f"is there {noun}?" if chance(rng, 0.6) else f"do you {_see(scene)} {noun}?"
    return Exchange(text.replace(" one ", " a "), yes, answer)


def order(scene: Scene, rng: np.random.Generator) -> Exchange:
    """Which of two things comes first or last."""
    index = int(rng.integers(2))
    thing = scene.things[index]
    name = "timbre" if isinstance(scene, Sound) else "shape"
    text = fill(pick(rng, FIRST[scene.modality]), moves="changes", first=("first", "last")[index])
    noun = complement(name, getattr(thing, name), thing.number, rng)
    short = noun if isinstance(scene, Sound) else f"the {noun.removeprefix('a ')}"
    return Exchange(text, pick(rng, (short, sentence(short))), {"attribute": name, "value": getattr(thing, name)})


def relation(scene: Picture, rng: np.random.Generator) -> Exchange:
    """How two groups of a picture stand to each other."""
    first, second = (refer(scene, index, rng) for index in (0, 1))
    number, value = scene.groups[0].number, scene.relation
    if chance(rng, 0.4):
        where = pick(rng, RELATION_PHRASES[value or ""])
        text = f"what is {where} the {second}?"  # "are" would tell how many
        group = scene.groups[0]
        return Exchange(text, phrase(group, rng), {"scene": to_json(Picture((group,)))})
    if chance(rng, 0.5):
        text = f"where {be(number)} the {first}, seen from the {second}?"
        full = f"{they(number)} {be(number)} {related(scene, rng)}."
        return Exchange(
            text, pick(rng, (related(scene, rng), sentence(full))), {"attribute": "relation", "value": value}
        )
    asked = value if chance(rng, 0.5) else pick(rng, [other for other in RELATIONS if other != value])
    yes, answer = _answer(asked == value)
    return Exchange(f"{be(number)} the {first} {pick(rng, RELATION_PHRASES[asked or ''])} the {second}?", yes, answer)


def _kinds(scene: Scene) -> list[Callable[[Any, np.random.Generator], Exchange]]:
    """The ways to ask, each as often as it should come."""
    kinds: list[Callable[[Any, np.random.Generator], Exchange]] = [_of_any_attribute] * 4 + [yes_or_no] * 2 + [presence]
    if len(scene.things) > 1:
        kinds += [relation if isinstance(scene, Picture) else order] * 3
    return kinds


def _of_any_attribute(scene: Scene, rng: np.random.Generator) -> Exchange:
    index = int(rng.integers(len(scene.things)))
    return of_attribute(scene, index, pick(rng, _said(scene.things[index])), rng)


def _said(thing: Thing) -> list[str]:
    return [name for name in VALUES if getattr(thing, name, None) is not None]


def _reply(thing: Thing, name: str, rng: np.random.Generator) -> str:
    """The value alone, or a sentence that says it."""
    value, number = getattr(thing, name), thing.number
    if name == "number":
        return pick(rng, (NUMBERS[number], sentence(f"there {be(number)} {NUMBERS[number]}")))
    full = sentence(f"{they(number)} {predicate(name, value, number, rng)}")
    return full if is_verbal(name) else pick(rng, (complement(name, value, number, rng), full))


def _answer(true: bool) -> tuple[str, dict[str, Any]]:
    word = "yes" if true else "no"
    return word, {"attribute": "yes or no", "value": word}


def _see(scene: Scene) -> str:
    return "hear" if isinstance(scene, Sound) else "see"
