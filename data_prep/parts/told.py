"""The microworld's dialogues in text alone: what would be shown is described, and where a reply would bring a medium
its modality and its caption stand, with a mark at the end of it.

So an LLM knows how people ask for several things and take turns, and where what they ask for has its place, before any
stage gives it eyes and hands, as published ones do.
"""

import re
from collections.abc import Mapping

import numpy as np

from anyany.data.recipes import READ_PROMPTS, make_media
from anyany.data.records import Record
from anyany.messages.types import Media, Message, Part, Text, assistant, user
from anyany.microworld.captions import caption, noun
from anyany.microworld.clauses import MEDIA_NOUNS
from anyany.microworld.dialogues import sample_dialogue
from anyany.microworld.levels import Level, sample_scene
from anyany.microworld.observations import without_observations
from anyany.microworld.oracles.answers import is_right
from anyany.microworld.questions import question
from anyany.microworld.scenes import SCENES, Scene, to_json
from anyany.microworld.texts import DESCRIBE, SHOWN
from anyany.microworld.turns import AGREED, EXTENSIONS, Dialogue
from anyany.microworld.words import Exchange, chance, fill, pick, sentence, typed

SEEN = 0.6  # of what shows one thing in half-seen dialogues
QUOTED_AS_NOUN = 0.3  # the rest as captions
_AGREED = re.compile("|".join(re.escape(opening) for opening in AGREED if opening))
_BROUGHT = re.compile(f"({'|'.join(SCENES)}): ")
CLOSED = ";"  # tells the end of what is brought, as a last signal does, from the end of a reply


def told_dialogue(level: Level, rng: np.random.Generator) -> list[Message]:
    """A dialogue of any case, without a novel pair."""
    return in_text(sample_dialogue(level, rng), rng)


def half_seen_dialogue(level: Level, rng: np.random.Generator) -> list[Message]:
    """The same, but of scenes of one thing some are shown: as media whose description the LLM is given blurred."""
    return in_text(sample_dialogue(level, rng), rng, SEEN)


def seen(level: Level, rng: np.random.Generator) -> list[Message]:
    """One thing is shown, is to be described or is asked about, and asked about again."""
    scene = _of_one_thing(level, rng)
    what = pick(rng, MEDIA_NOUNS[scene.modality])
    prompts = (*DESCRIBE[scene.modality], *READ_PROMPTS)
    turns = [Exchange(fill(pick(rng, prompts), what=what, noun=what), caption(scene, rng), {})]
    turns = [question(scene, rng) for _ in range(int(rng.integers(3)))] if chance(rng, 0.5) else turns
    turns += [question(scene, rng) for _ in range(int(rng.integers(1, 3)))]
    first, *others = ([user(typed(turn.request, rng)), assistant(turn.reply)] for turn in turns)
    first[0] = user(_shown(scene, rng), *first[0].content)
    return [message for turn in (first, *others) for message in turn]


def made(level: Level, rng: np.random.Generator) -> list[Message]:
    """A request that gives the caption of what it wants, as ``dec_align`` has it."""
    scene = _of_one_thing(level, rng)
    said = noun(scene, rng) if chance(rng, QUOTED_AS_NOUN) else caption(scene, rng)
    members = {"txt": said.encode(), EXTENSIONS[scene.modality]: b""}
    record = Record("told", "", 0, str(rng.integers(2**32)), members, tuple(members))
    request, reply = make_media(record, scene.modality)
    asked = "".join(part.text for part in request.content if isinstance(part, Text))
    return [user(typed(asked, rng)), assistant(*(_brought(p) if isinstance(p, Media) else p for p in reply.content))]


def in_text(dialogue: Dialogue, rng: np.random.Generator, seen: float = 0.0) -> list[Message]:
    """
    Args:
        seen: how often what shows one thing stays a medium, with its description.
    """
    return [_told(message, dialogue.scenes, rng, seen) for message in dialogue.messages]


def is_told_right(reply: str, dialogue: Dialogue) -> bool:
    """Whether a last reply gives its answer; or names, a sentence each, and brings, in order, what it is to give."""
    last = len(dialogue.messages) - 1
    given = [part for part in dialogue.messages[last].content if isinstance(part, Media)]
    if not given:
        return is_right(reply, dialogue.answers[last])
    said, *brought = _BROUGHT.split(_AGREED.sub("", without_observations(reply)))
    told = [one.partition(CLOSED) for one in brought[1::2]]
    modalities, captions = brought[::2], [before for before, _, _ in told]
    around = (said, *(behind for _, _, behind in told))
    named = [sentence for one in around for sentence in re.split(r"(?<=[.!]) ?", one) if sentence]
    wanted = [{"scene": to_json(dialogue.scenes[part.member or ""])} for part in given]
    if modalities != [part.modality for part in given] or len(named) != len(given):
        return False
    is_whole = all(mark for _, mark, _ in told)
    return is_whole and all(map(is_right, named, wanted)) and all(map(is_right, captions, wanted))


def _told(message: Message, scenes: Mapping[str, Scene], rng: np.random.Generator, seen: float) -> Message:
    parts: list[Part] = []
    for part in message.content:
        if isinstance(part, Media) and message.role == "user":
            scene = scenes[part.member or ""]
            is_seen = len(scene.things) == 1 and seen > 0 and chance(rng, seen)
            part = _shown(scene, rng) if is_seen else Text(_described(scene, rng))
        if isinstance(part, Media) and message.role == "assistant":
            parts.append(_brought(part))
            continue
        if message.role == "user" and parts and isinstance(parts[-1], Text) and isinstance(part, Text):
            before = parts.pop().text  # type: ignore[union-attr]
            part = Text(f"{before if before[-1] in '.!?' else before + '.'} {part.text}")
        parts.append(part)
    return Message(message.role, tuple(parts))


def _of_one_thing(level: Level, rng: np.random.Generator) -> Scene:
    while len((scene := sample_scene(pick(rng, list(SCENES)), level, rng)).things) != 1:
        pass
    return scene


def _brought(medium: Media) -> Text:
    return Text(f"{medium.modality}: {medium.caption}{CLOSED}")


def _shown(scene: Scene, rng: np.random.Generator) -> Media:
    return Media(scene.modality, member="", caption=noun(scene, rng) if chance(rng, 0.5) else caption(scene, rng))


def _described(scene: Scene, rng: np.random.Generator) -> str:
    if chance(rng, 0.5):
        return sentence(caption(scene, rng))
    return sentence(fill(pick(rng, SHOWN), what=pick(rng, MEDIA_NOUNS[scene.modality]), text=noun(scene, rng)))
