"""Which wish stands beside a source: drawn at random, and until every scene it could lead to is allowed."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from anyany.microworld.captions import caption, noun
from anyany.microworld.clauses import MEDIA_NOUNS
from anyany.microworld.levels import NOVEL_PAIRS, Level, novel_pairs, sample_scene
from anyany.microworld.oracles.captions import text_novel_pairs
from anyany.microworld.scenes import DIRECTIONS, Picture, Scene, Thing
from anyany.microworld.wishes import Case, Count, Keep, Wish
from anyany.microworld.words import chance, fill, pick

NAMED = {
    "image": ("draw {it}", "please draw {it}", "can you draw {it}?", "show me a picture of {it}", "paint {it}"),
    "video": ("show {it}", "make a clip of {it}", "can you show me {it}?", "i want a video of {it}", "animate {it}"),
    "audio": ("play {it}", "make {it}", "let me hear {it}", "can you play {it}?", "please make the sound of {it}"),
}
QUOTED = 0.2  # of such requests
_QUOTING = ("give me a {what} of this: {caption}", "make a {what} for: {caption}", "i would like a {what}: {caption}")
_NOUNS = MEDIA_NOUNS | {"audio": ("recording", "sound")}
_CAN_BE_KEPT = {"image": ("image", "video"), "video": ("image", "video"), "audio": ("audio",)}


def named(scene: Scene, rng: np.random.Generator) -> str:
    """A request that says in full what it wants."""
    if chance(rng, QUOTED):
        what = pick(rng, _NOUNS[scene.modality])
        return fill(pick(rng, _QUOTING), what=what, caption=caption(scene, rng))
    return fill(pick(rng, NAMED[scene.modality]), it=noun(scene, rng))


def dependent(source: Scene, modality: str, level: Level, rng: np.random.Generator, novel: bool) -> tuple[Wish, str]:
    """A wish of the modality that depends on the source, and its request. What it grants is a scene of the level.

    Without ``novel`` neither the request nor anything that it could lead to holds a novel pair.
    """
    makers = _makers(source.modality, modality, level)
    for _ in range(10_000):
        wish = pick(rng, makers)(source, modality, level, rng, novel)
        wanted = wish.grant(source)
        if not all(fits(scene, level) for scene in (*wish.outcomes(), wanted)):
            continue
        request = wish.ask(source, rng)
        if novel or not (any(map(novel_pairs, (*wish.outcomes(), wanted))) or text_novel_pairs(request)):
            return wish, request
    raise AssertionError(f"no wish for {modality} beside {source} in 10,000 draws")


def fits(scene: Scene, level: Level) -> bool:
    """Whether the scene is one that ``sample_scene`` could draw: it says what the level says, no more and no less."""
    said, things = level.said[scene.modality], scene.things
    if len(things) != level.num_things or sum(thing.number for thing in things) > level.max_number:
        return False
    if isinstance(scene, Picture) and (scene.relation is None) == (len(things) == 2):
        return False
    for name in ("color", "shape", "timbre"):
        if name in said and len({getattr(thing, name) for thing in things}) < len(things):
            return False
    return all(_fits(thing, said) for thing in things)


def _fits(thing: Thing, said: Mapping[str, tuple[Any, ...]]) -> bool:
    for name in (field.name for field in fields(thing)):
        value = getattr(thing, name)
        silent = name not in said or (name == "speed" and getattr(thing, "motion", None) not in DIRECTIONS)
        if silent != (value is None) or (not silent and value not in said[name]):
            return False
    return True


def _makers(source: str, modality: str, level: Level) -> list[Callable[..., Wish]]:
    numbers, wanted = level.said[source]["number"], level.said[modality]["number"]
    makers: list[Callable[..., Wish]] = [_case]
    if len(numbers) > 1 and set(numbers) <= set(wanted):
        makers.append(_count)
    if modality in _CAN_BE_KEPT[source]:
        makers.append(_keep)
    return makers


def _count(source: Scene, modality: str, level: Level, rng: np.random.Generator, novel: bool) -> Count:
    return Count(sample_scene(modality, level, rng, novel))


def _case(source: Scene, modality: str, level: Level, rng: np.random.Generator, novel: bool) -> Case:
    """Each row of the table and ``otherwise`` hold as often as any other: the table does not give the source away.

    Without ``novel`` no row puts a novel pair into words: ``if the yellow thing is a square``.
    """
    seen, said = level.said[source.modality], level.said[modality]
    name = pick(rng, [n for n in said if n != "number"])
    index = int(rng.integers(len(source.things)))
    thing: Thing = source.things[index]
    source_name = pick(rng, [n for n in seen if n != "number" and getattr(thing, n) is not None])
    true = getattr(thing, source_name)
    others = [v for v in seen[source_name] if v != true and (novel or not _is_novel(thing, source_name, v))]
    values = [value for value in said[name] if name != "motion" or "speed" not in said or value in DIRECTIONS]
    most = min(2, len(values) - 1, len(others))
    num_rows = pick(rng, (1, most, most))  # a guess among two rows and otherwise is right in a third
    when = [others[i] for i in rng.permutation(len(others))[:num_rows]]
    if not chance(rng, 1 / (num_rows + 1)):
        when[int(rng.integers(num_rows))] = true
    then = [values[i] for i in rng.permutation(len(values))[: num_rows + 1]]
    wanted = sample_scene(modality, level, rng, novel)
    return Case(wanted, name, index, source_name, tuple(zip(when, then[:-1], strict=True)), then[-1])


def _is_novel(thing: Thing, name: str, value: Any) -> bool:
    changed = replace(thing, **{name: value})
    return any(pair.is_in(changed) for pair in NOVEL_PAIRS)


def _keep(source: Scene, modality: str, level: Level, rng: np.random.Generator, novel: bool) -> Keep:
    if source.modality == modality:
        return _change(source, level, rng)
    said = level.said[modality]
    new = sample_scene(modality, level, rng, novel)
    if modality == "video":
        given = [{"number": 1} | {name: getattr(thing, name) for name in ("motion", "speed")} for thing in new.things]
        return Keep(modality, tuple(said), tuple(tuple(g.items()) for g in given))
    if isinstance(new, Picture) and new.relation is not None:
        return Keep(modality, tuple(said), ((), ()), new.relation)
    added = [name for name in said if name == "number" or name not in level.said[source.modality]]
    return Keep(modality, tuple(said), (tuple((name, getattr(new.things[0], name)) for name in added),))


def _change(source: Scene, level: Level, rng: np.random.Generator) -> Keep:
    """One attribute of one thing gets another value. Of two things the request tells by shape or timbre which it is."""
    said = level.said[source.modality]
    index = int(rng.integers(len(source.things)))
    thing = source.things[index]
    told_by = ("number", "shape", "timbre") if len(source.things) > 1 else ()
    name = pick(rng, [n for n in said if len(said[n]) > 1 and getattr(thing, n) is not None and n not in told_by])
    given = {name: pick(rng, [value for value in said[name] if value != getattr(thing, name)])}
    if name == "motion" and "speed" in said:
        given["speed"] = pick(rng, said["speed"]) if given[name] in DIRECTIONS else None
    return Keep(
        source.modality,
        tuple(said),
        tuple(tuple(given.items()) if i == index else () for i in range(len(source.things))),
    )
