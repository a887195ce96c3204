"""Wishes: what a user asks to be drawn, shown or played where other media, the source, decide a part of it.

The request may name the things of the source (``the circles``), never the values that decide: so nobody can grant a
wish without looking.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anyany.microworld.captions import RELATIONS, moving, noun, unsaid
from anyany.microworld.clauses import changed_to, complement, inside, is_verbal, predicate, refer, they
from anyany.microworld.scenes import DIRECTIONS, SCENES, Group, Picture, Scene, Thing
from anyany.microworld.words import NUMBERS, chance, fill, pick, plural, sentence

# Where the second group stands, as seen from the first, by the relation of the first to the second.
SECOND = {"left of": "to their right", "right of": "to their left", "above": "below them", "below": "above them"}
VERBS = {"image": ("draw", "paint"), "video": ("show", "animate"), "audio": ("play", "make")}


@dataclass(frozen=True)
class Plain:
    """A wish that nothing is to be decided for."""

    def decision(self, source: Scene, rng: np.random.Generator) -> str:
        return ""


@dataclass(frozen=True)
class Count(Plain):
    """As many of these as there are of those: ``one high buzz for each shape``."""

    wanted: Scene  # its numbers are replaced by the source's

    def outcomes(self) -> list[Scene]:
        """Every scene that some source could make of the wish, as far as it matters for novel pairs."""
        return [self.wanted]

    def grant(self, source: Scene) -> Scene:
        """What is wanted with this source."""
        wanted: tuple[Thing, ...] = self.wanted.things
        numbers = [thing.number for thing in source.things]
        return rebuilt(self.wanted, *(replace(t, number=number) for t, number in zip(wanted, numbers, strict=True)))

    def ask(self, source: Scene, rng: np.random.Generator) -> str:
        """The request, beside this source."""
        verb, where = pick(rng, VERBS[self.wanted.modality]), inside(source.modality, rng)
        if len(source.things) == 1 and chance(rng, 0.4):
            one = noun(rebuilt(self.wanted, replace(self.wanted.things[0], number=1)), rng)
            return f"{verb} {one} for each {refer(source, 0, rng, 'number', number=1)} {where}."
        first, *others = [self._count(source, index, rng) for index in range(len(source.things))]
        relation = getattr(self.wanted, "relation", None)
        then = f"and {SECOND[relation]}" if relation else "then"
        return f"{verb} {', '.join((f'{first} {where}', *(f'{then} {other}' for other in others)))}."

    def _count(self, source: Scene, index: int, rng: np.random.Generator) -> str:
        thing = replace(self.wanted.things[index], number=2)
        things = noun(rebuilt(self.wanted, thing), rng).split(" ", 1)[1]
        seen = "you hear" if source.modality == "audio" else pick(rng, ("there are", "you see"))
        return f"as many {things} as {seen} {refer(source, index, rng, 'number', number=2)}"


@dataclass(frozen=True)
class Case:
    """One attribute by the value of another: ``if the shapes are red, they should rise, otherwise fall``."""

    wanted: Scene
    name: str  # of the attribute of the first thing wanted that depends
    index: int  # of the thing of the source that decides
    source_name: str
    table: tuple[tuple[Any, Any], ...]  # (value of the source, value of the wanted)
    otherwise: Any

    def outcomes(self) -> list[Scene]:
        """Every scene that some source could make of the wish."""
        return [self._with(value) for value in (*dict(self.table).values(), self.otherwise)]

    def grant(self, source: Scene) -> Scene:
        """What is wanted with this source."""
        return self._with(dict(self.table).get(getattr(source.things[self.index], self.source_name), self.otherwise))

    def decision(self, source: Scene, rng: np.random.Generator) -> str:
        """What decides, and what follows from it: ``they are red: low``."""
        thing = source.things[self.index]
        value, (granted, *_) = getattr(thing, self.source_name), self.grant(source).things
        several = len(source.things) > 1
        who = f"the {refer(source, self.index, rng, self.source_name)}" if several else they(thing.number)
        is_so = predicate(self.source_name, value, thing.number, rng)
        return f"{who} {is_so}: {self._become(getattr(granted, self.name), rng)}"

    def ask(self, source: Scene, rng: np.random.Generator) -> str:
        """The request, beside this source."""
        first, *others = self.wanted.things
        hidden = rebuilt(self.wanted, unsaid(first, self.name), *others)
        who = they(first.number) if not others else f"the {refer(hidden, 0, rng, self.name)}"
        be = "" if is_verbal(self.name) else "be "
        order = sentence(f"{pick(rng, VERBS[hidden.modality])} {noun(hidden, rng)}")
        rules = [
            f"if {self._when(source, i, rng)}, {'' if i else f'{who} should {be}'}{self._become(value, rng)}"
            for i, (_, value) in enumerate(self.table)
        ]
        rule = ", ".join((*rules, f"otherwise {self._become(self.otherwise, rng)}"))
        return f"{order} {sentence(rule)}"

    def _with(self, value: Any) -> Scene:
        first, *others = self.wanted.things
        return rebuilt(self.wanted, replace(first, **{self.name: value}), *others)

    def _become(self, value: Any, rng: np.random.Generator) -> str:
        first = replace(self.wanted.things[0], **{self.name: value})
        if self.name == "motion":
            assert isinstance(first, Group)
            return moving(first, 0, rng)
        if is_verbal(self.name):
            return predicate(self.name, value, first.number, rng, verb="be")
        return complement(self.name, value, first.number, rng)

    def _when(self, source: Scene, row: int, rng: np.random.Generator) -> str:
        number = source.things[self.index].number
        one = f"the {refer(source, self.index, rng, self.source_name)} {inside(source.modality, rng)}"
        return f"{they(number) if row else one} {predicate(self.source_name, self.table[row][0], number, rng)}"


@dataclass(frozen=True)
class Keep(Plain):
    """The same with something changed or added: ``draw the same shapes in blue``, ``show one of them moving left``."""

    modality: str
    names: tuple[str, ...]  # of the attributes that each thing wanted says
    given: tuple[tuple[tuple[str, Any], ...], ...]  # for each thing, (attribute, value) that the request says
    relation: str | None = None

    def outcomes(self) -> list[Scene]:
        """None can be told before the source is seen."""
        return []

    def grant(self, source: Scene) -> Scene:
        """What is wanted with this source."""
        things = []
        for thing, given in zip(source.things, self.given, strict=True):
            said = {name: getattr(thing, name, None) for name in self.names} | dict(given)
            if said.get("motion") not in DIRECTIONS:
                said.pop("speed", None)
            things.append((Group if self.modality != "audio" else type(thing))(**said))
        scene = SCENES[self.modality](tuple(things))
        relation = self.relation or getattr(source, "relation", None)
        return Picture(scene.things, relation) if isinstance(scene, Picture) else scene

    def ask(self, source: Scene, rng: np.random.Generator) -> str:
        """The request, beside this source."""
        verb, where = pick(rng, VERBS[self.modality]), inside(source.modality, rng)
        if source.modality == self.modality:
            return f"{verb} {self._change(source, rng)}."
        if self.modality == "image":
            return f"{verb} {self._drawing(source, where, rng)}."
        parts = [self._showing(source, index, where, rng) for index in range(len(source.things))]
        return f"{verb} {', then '.join(parts)}."

    def _change(self, source: Scene, rng: np.random.Generator) -> str:
        index = next(i for i, given in enumerate(self.given) if given)
        name, value = self.given[index][0]
        thing = source.things[index]
        general = "the same " + plural("sound" if self.modality == "audio" else "shape", thing.number)
        if name == "number":
            times = ("once", "twice", *(f"{n} times" for n in NUMBERS[3:]))[value - 1]
            return f"the same sound {times}" if self.modality == "audio" else f"{NUMBERS[value]} of the same shape"
        changed = replace(thing, **dict(self.given[index]))
        how = changed_to(changed, name, rng)
        return (
            f"the same, but with the {refer(source, index, rng, name)} {how}"
            if len(self.given) > 1
            else f"{general}, but {how}"
        )

    def _drawing(self, source: Scene, where: str, rng: np.random.Generator) -> str:
        if len(source.things) == 2:
            relation = pick(rng, RELATIONS[self.relation or ""])
            return f"the {refer(source, 0, rng)} {where} {relation} the {refer(source, 1, rng)}"
        given = dict(self.given[0])
        look = fill(
            "{number} {size} {shape} like the {one} {where}",
            number=NUMBERS[given["number"]],
            size=given.get("size", ""),
            shape=refer(source, 0, rng, number=given["number"]),
            one="one" if source.things[0].number == 1 else "ones",
            where=where,
        )
        return f"{look}, {complement('place', given['place'], 1, rng)}" if "place" in given else look

    def _showing(self, source: Scene, index: int, where: str, rng: np.random.Generator) -> str:
        several = source.things[index].number > 1
        noun_ = refer(source, index, rng)
        given = dict(self.given[index])
        group = Group(1, "", "", motion=given["motion"], speed=given.get("speed"))
        return f"{'one of the' if several else 'the'} {noun_} {where} {moving(group, 2, rng)}"


Wish = Count | Case | Keep


def rebuilt(scene: Scene, *things: Thing) -> Scene:
    """The scene with other things; a relation stays only between two."""
    new = SCENES[scene.modality](things)
    return Picture(new.things, scene.relation) if isinstance(scene, Picture) and len(things) == 2 else new
