"""The turns that dialogues are made of.

A turn that comes with media asks for what depends on them (``wishes``) or about them (``questions``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anyany.messages.types import Media, Message, Part, assistant, user
from anyany.microworld.captions import caption, noun
from anyany.microworld.clauses import MEDIA_NOUNS, inside
from anyany.microworld.levels import Level, sample_scene
from anyany.microworld.observations import observation
from anyany.microworld.questions import question
from anyany.microworld.scenes import SCENES, Scene, to_json
from anyany.microworld.texts import DESCRIBE, kinds_of
from anyany.microworld.wishes import VERBS, Wish
from anyany.microworld.wishing import dependent, named
from anyany.microworld.words import be, chance, fill, pick, sentence, typed

EXTENSIONS = {"image": "jpg", "video": "mp4", "audio": "flac"}
AGREED = ("", "", "Sure! ", "Of course. ", "All right. ")
GIVEN = ("here {is} {it}.", "here is a {what} of {it}.", "{this} {is} {it}.")
GIVEN_ALSO = ("and here {is} {it}.", "and here is a {what} of {it}.")
AS_MANY = (
    "are there as many shapes as sounds?",
    "do you hear as many sounds as you see shapes?",
    "is the number of sounds the same as that of shapes?",
)


@dataclass(frozen=True)
class Dialogue:
    """``scenes`` holds what is to be rendered for each member; ``answers`` what makes a reply's text checkable, by the
    index of its message (``oracles.answers.is_right``). A reply's media are checked against their scenes."""

    case: str
    messages: list[Message] = field(default_factory=list)
    scenes: dict[str, Scene] = field(default_factory=dict)
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)

    def media(self, scene: Scene, caption: str | None = None) -> Media:
        """The next media part, numbered in order of appearance."""
        member = f"{len(self.scenes)}.{EXTENSIONS[scene.modality]}"
        self.scenes[member] = scene
        return Media(scene.modality, member=member, caption=caption)


@dataclass(frozen=True)
class Draw:
    """What the turns of one dialogue share."""

    dialogue: Dialogue
    level: Level
    rng: np.random.Generator
    novel: bool

    def now_novel(self) -> bool:
        """Of what a novel dialogue holds, most has a novel pair, but not all."""
        return self.novel and chance(self.rng, 0.7)

    def scene(self, modality: str) -> Scene:
        return sample_scene(modality, self.level, self.rng, self.now_novel())

    def say(self, *parts: Part | str) -> None:
        """The user's message; its text stands before or behind its media."""
        *media, text = parts
        self.dialogue.messages.append(user(*((*media, text) if chance(self.rng, 0.5) else (text, *media))))

    def reply(self, *parts: Part | str, answer: dict[str, Any] | None = None) -> None:
        if answer is not None:
            self.dialogue.answers[len(self.dialogue.messages)] = answer
        self.dialogue.messages.append(assistant(*parts))

    def give(self, scenes: Sequence[Scene], observed: str = "") -> None:
        """A reply that says what it gives, and then gives it: what is said of a scene is the caption of its medium.

        What the scenes depend on, as it was ``observed``, it says first.
        """
        rng = self.rng
        opening, parts, captions = pick(rng, AGREED), [], [noun(scene, rng) for scene in scenes]
        opening += f"{observed} " if observed else ""
        for index, (scene, it) in enumerate(zip(scenes, captions, strict=True)):
            what = pick(rng, MEDIA_NOUNS[scene.modality])
            template = pick(rng, GIVEN_ALSO if index else GIVEN)
            said = fill(template, it=it, what=what, **_agreeing(scene))
            parts.append(("" if index else opening) + sentence(said))
        media = list(map(self.dialogue.media, scenes, captions))
        if chance(rng, 0.5):
            self.reply(" ".join(parts), *media)
        else:
            self.reply(*(part for pair in zip(parts, media, strict=True) for part in pair))

    def grant(self, source: Scene, *wishes: Wish) -> None:
        """A reply that says what the source is and what that decides, and gives what is wished for beside it."""
        decisions = (wish.decision(source, self.rng) for wish in wishes)
        self.give([wish.grant(source) for wish in wishes], observation(source, self.rng, *decisions))


def talk(draw: Draw) -> None:
    """A turn of text alone."""
    novel = draw.now_novel()
    sample = pick(draw.rng, kinds_of(novel)).draw(draw.level, draw.rng, novel)
    draw.say(*sample.messages[0].content)
    draw.reply(*sample.messages[1].content, answer=sample.answer)


def ask_for(draw: Draw, *modalities: str) -> None:
    """A turn that names in full what it wants."""
    scenes = [draw.scene(modality) for modality in modalities]
    if len(scenes) == 1:
        draw.say(typed(named(scenes[0], draw.rng), draw.rng))
    else:
        wishes = [f"{pick(draw.rng, VERBS[scene.modality])} {noun(scene, draw.rng)}" for scene in scenes]
        draw.say(typed(_joined(wishes), draw.rng))
    draw.give(scenes)


def ask_about(draw: Draw, modality: str) -> None:
    """A turn that shows something and asks what it is, or about it."""
    scene = draw.scene(modality)
    if chance(draw.rng, 0.4):
        request = fill(pick(draw.rng, DESCRIBE[modality]), what=pick(draw.rng, MEDIA_NOUNS[modality]))
        reply, answer = caption(scene, draw.rng), {"scene": to_json(scene)}
    else:
        request, reply, answer = question(scene, draw.rng)
    draw.say(draw.dialogue.media(scene), typed(request, draw.rng))
    draw.reply(reply, answer=answer)


def ask_depending(draw: Draw, source_modality: str, *modalities: str) -> None:
    """A turn that shows something and asks for what depends on it."""
    source = draw.scene(source_modality)
    granted = [dependent(source, modality, draw.level, draw.rng, draw.novel) for modality in modalities]
    draw.say(draw.dialogue.media(source), typed(_joined([request for _, request in granted]), draw.rng))
    draw.grant(source, *(wish for wish, _ in granted))


def ask_whether_as_many(draw: Draw) -> None:
    """A turn that shows a picture and a sound, and asks whether they hold as many things."""
    rng, same = draw.rng, chance(draw.rng, 0.5)
    while True:
        scenes = [draw.scene("image"), draw.scene("audio")]
        numbers = [sum(thing.number for thing in scene.things) for scene in scenes]
        if (numbers[0] == numbers[1]) == same:
            break
    word = "yes" if same else "no"
    draw.say(*(draw.dialogue.media(scene) for scene in scenes), typed(pick(rng, AS_MANY), rng))
    draw.reply(word, answer={"attribute": "yes or no", "value": word})


def go_on(draw: Draw) -> None:
    """A turn about what was shown last: a question, or a wish that depends on it."""
    *before, last = draw.dialogue.scenes.values()
    rng = draw.rng

    def at_last(text: str) -> str:  # of several pictures "the picture" would not do
        again = any(scene.modality == last.modality for scene in before)
        return re.sub(rf"in the ({'|'.join(MEDIA_NOUNS[last.modality])})", r"in the last \1", text) if again else text

    if chance(rng, 0.4):
        request, reply, answer = question(last, rng)
        draw.say(typed(at_last(f"{inside(last.modality, rng)}, {request}"), rng))
        draw.reply(reply, answer=answer)
    else:
        wish, request = dependent(last, pick(rng, list(SCENES)), draw.level, rng, draw.novel)
        draw.say(typed(at_last(f"now {_lower(request)}"), rng))
        draw.grant(last, wish)


def several(draw: Draw, num_turns: int) -> None:
    """Turns of all sorts, one of them at least with media."""
    modalities, rng = list(SCENES), draw.rng
    for turn in range(num_turns):
        sort = pick(rng, ("talk", "for", "about", "depending", "on", "on"))
        if sort == "talk" and (draw.dialogue.scenes or turn < num_turns - 1):
            talk(draw)
        elif sort == "on" and draw.dialogue.scenes:
            go_on(draw)
        elif sort == "for":
            ask_for(draw, *(modalities[i] for i in rng.permutation(3)[: rng.integers(1, 3)]))
        elif sort == "about":
            ask_about(draw, pick(rng, modalities))
        else:
            ask_depending(draw, pick(rng, modalities), pick(rng, modalities))


def _joined(requests: Sequence[str]) -> str:
    first, *others = map(sentence, requests)
    return " ".join(
        [first, *(f"{also} {_lower(request)}" for also, request in zip(("Also", "And"), others, strict=False))]
    )


def _agreeing(scene: Scene) -> dict[str, str]:
    number = scene.things[0].number
    return {"is": be(number), "this": "this" if number == 1 else "these"}


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
