"""Text-only conversations, by kind. Some kinds are held out of every stage's mixture, to measure forgetting with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anyany.messages.types import Message, assistant, user
from anyany.microworld import instructions, sums, talk
from anyany.microworld.captions import caption, noun, phrase, unsaid
from anyany.microworld.clauses import MEDIA_NOUNS
from anyany.microworld.levels import Level, sample_scene
from anyany.microworld.oracles.captions import text_novel_pairs
from anyany.microworld.questions import VALUES, ask, question
from anyany.microworld.scenes import SCENES, Picture, Scene, Sound, Thing, to_json
from anyany.microworld.wishes import rebuilt
from anyany.microworld.words import Exchange, chance, fill, pick, sentence, typed


@dataclass(frozen=True)
class TextSample:
    """A request and its reply in text alone; ``answer`` is what ``oracles.answers.is_right`` holds a reply against."""

    kind: str
    messages: list[Message]
    answer: dict[str, Any]


@dataclass(frozen=True)
class Kind:
    draw: Callable[[Level, np.random.Generator, bool], TextSample]
    held_out: bool = False  # of the mixtures of all stages
    novel: bool = False  # whether it can hold a novel pair, and then does where one is wanted; to others it is the same


SHOWN = ("here is a {what}: {text}.", "this is a {what}: {text}.", "the {what}: {text}.", "imagine a {what}: {text}.")
_DESCRIBE = ("describe it.", "describe the {what}.")
DESCRIBE = dict.fromkeys(SCENES, (*_DESCRIBE, "what does the {what} show?")) | {
    "audio": (*_DESCRIBE, "what do you hear?")
}
REPHRASE = "say it in other words."  # of a description alone: shown media have no words yet
NOT_SAID = ("not said", "That is not said.", "It is not said.")
ORDINALS = ("first", "second", "third")


def question_over_one(level: Level, rng: np.random.Generator, novel: bool) -> Exchange:
    """A description in the context and a question that it answers."""
    scene = sample_scene(pick(rng, list(SCENES)), level, rng, novel)
    asked = question(scene, rng)
    return asked._replace(request=_typed(rng, _shown(scene, rng), asked.request))


def question_over_several(level: Level, rng: np.random.Generator, novel: bool) -> Exchange:
    """Two or three descriptions, and a question on one of them."""
    scenes = [sample_scene(pick(rng, list(SCENES)), level, rng, novel) for _ in range(int(rng.integers(2, 4)))]
    names, shown = told_apart(scenes, rng)
    index = int(rng.integers(len(scenes)))
    asked = question(scenes[index], rng)
    return asked._replace(request=_typed(rng, *shown, f"in the {names[index]}, {asked.request}"))


def told_apart(scenes: Sequence[Scene], rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """A name for each scene ("first picture", "recording") and a sentence that describes it under this name."""
    called = {modality: pick(rng, MEDIA_NOUNS[modality]) for modality in SCENES}
    nouns = [called[scene.modality] for scene in scenes]
    names = [f"{ORDINALS[nouns[:i].count(n)]} {n}" if nouns.count(n) > 1 else n for i, n in enumerate(nouns)]
    return names, [f"the {name}: {noun(scene, rng)}." for name, scene in zip(names, scenes, strict=True)]


def unsaid_in_one(level: Level, rng: np.random.Generator, novel: bool) -> Exchange:
    """A description that leaves out what is asked for."""
    scene = sample_scene(pick(rng, list(SCENES)), level, rng, novel)
    first, *others = scene.things
    odd = ("number", "speed", "motion" if scene.modality == "image" else "place", "place" if others else "")
    name = pick(rng, [name for name in VALUES if hasattr(first, name) and name not in odd])
    shown = noun(rebuilt(scene, unsaid(first, name), *others), rng)
    what = pick(rng, MEDIA_NOUNS[scene.modality])
    request = _typed(rng, fill(pick(rng, SHOWN), what=what, text=shown), ask(scene, 0, name, rng))
    return Exchange(request, pick(rng, NOT_SAID), {"attribute": "unsaid", "value": "not said"})


def order_in_one(level: Level, rng: np.random.Generator, novel: bool) -> Exchange:
    """Two or three things one after the other, and which comes when."""
    modality = pick(rng, ("image", "audio"))
    number = int(rng.integers(2, 4))
    things: list[Thing] = []
    while len(things) < number:
        thing = sample_scene(modality, level, rng, novel).things[0]
        if not any(_alike(thing, other) for other in things):
            things.append(unsaid(thing, "place") if modality == "image" else thing)
    index = int(rng.integers(len(things)))
    listed = "first " + ", then ".join(phrase(thing, rng) for thing in things)
    last = index == len(things) - 1
    asked = f"what comes {pick(rng, (ORDINALS[index], 'last')) if last else ORDINALS[index]}?"
    wanted = Sound((things[index],)) if modality == "audio" else Picture((things[index],))  # type: ignore[arg-type]
    return Exchange(_typed(rng, f"{listed}.", asked), noun(wanted, rng), {"scene": to_json(wanted)})


def describe(level: Level, rng: np.random.Generator, novel: bool) -> Exchange:
    """A description in the context, to be told in other words: later the media themselves stand in its place."""
    scene = sample_scene(pick(rng, list(SCENES)), level, rng, novel)
    what = pick(rng, MEDIA_NOUNS[scene.modality])
    asked = fill(pick(rng, (*DESCRIBE[scene.modality], REPHRASE)), what=what)
    return Exchange(_typed(rng, _shown(scene, rng, what), asked), caption(scene, rng), {"scene": to_json(scene)})


def _plain(draw: Callable[[np.random.Generator], Exchange]) -> Callable[[Level, np.random.Generator, bool], Exchange]:
    return lambda level, rng, novel: draw(rng)


def _kind(
    name: str,
    draw: Callable[[Level, np.random.Generator, bool], Exchange],
    held_out: bool = False,
    can_be_novel: bool = False,
) -> tuple[str, Kind]:
    def sample(level: Level, rng: np.random.Generator, novel: bool) -> TextSample:
        novel = novel and can_be_novel
        for _ in range(1_000):
            request, reply, answer = draw(level, rng, novel)
            if bool(text_novel_pairs(f"{request}\n{reply}")) == novel:
                return TextSample(name, [user(request), assistant(reply)], answer)
        raise AssertionError(f"no text of kind {name!r} with novel={novel} in 1,000 draws")

    return name, Kind(sample, held_out, can_be_novel)


KINDS: dict[str, Kind] = dict(
    [
        _kind("describe", describe, can_be_novel=True),
        _kind("question", question_over_one, can_be_novel=True),
        _kind("question_of_several", question_over_several, can_be_novel=True),
        _kind("unsaid", unsaid_in_one),
        _kind("order", order_in_one, can_be_novel=True),
        _kind("sums", _plain(sums.story)),
        _kind("talk", _plain(talk.passing)),
        _kind("names", _plain(talk.meeting)),
        _kind("instructions", _plain(instructions.instruction)),
        _kind("sums_digits", _plain(sums.bare), held_out=True),
        _kind("talk_facts", _plain(talk.common), held_out=True),
    ]
)


def kinds_of(novel: bool, held_out: bool = False) -> list[Kind]:
    """The kinds to draw from; of the ``novel`` split only those that can hold a novel pair.

    The held-out kinds speak of no scenes: to them the split makes no difference.
    """
    kinds = [kind for kind in KINDS.values() if kind.held_out == held_out]
    return [kind for kind in kinds if kind.novel or held_out or not novel]


def _shown(scene: Scene, rng: np.random.Generator, what: str | None = None) -> str:
    what = what or pick(rng, MEDIA_NOUNS[scene.modality])
    return caption(scene, rng) if chance(rng, 0.5) else fill(pick(rng, SHOWN), what=what, text=noun(scene, rng))


def _typed(rng: np.random.Generator, *sentences: str) -> str:
    return typed(" ".join(map(sentence, sentences)), rng)


def _alike(one: Thing, other: Thing) -> bool:
    names = ("color", "shape", "timbre")
    return any(getattr(one, n, None) == getattr(other, n, None) is not None for n in names)
