"""Dialogues of one to four turns in which media come and go on both sides, by case."""

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import numpy as np

from anyany.messages.types import Media, Text
from anyany.microworld.levels import Level, novel_pairs
from anyany.microworld.oracles.captions import text_novel_pairs
from anyany.microworld.scenes import SCENES, Scene
from anyany.microworld.turns import (
    Dialogue,
    Draw,
    ask_about,
    ask_depending,
    ask_for,
    ask_whether_as_many,
    several,
    talk,
)
from anyany.microworld.words import NUMBERS, pick

Case = Callable[[Level, np.random.Generator, bool], Dialogue]


def sample_dialogue(level: Level, rng: np.random.Generator, novel: bool = False, case: str | None = None) -> Dialogue:
    """A dialogue of the case, or of any, each as likely."""
    return CASES[case or pick(rng, list(CASES))](level, rng, novel)


def main_scene(dialogue: Dialogue) -> Scene | None:
    """The first scene that a reply gives, or else the first that is shown."""
    media = [(m.role, p) for m in dialogue.messages for p in m.content if isinstance(p, Media)]
    media.sort(key=lambda found: found[0] != "assistant")  # stable: each role in order of appearance
    return dialogue.scenes[media[0][1].member or ""] if media else None


def is_allowed(dialogue: Dialogue, novel: bool) -> bool:
    """Whether no scene and no text holds a novel pair; or (``novel``) the main scene does, or where none is, a text."""
    parts = [part for message in dialogue.messages for part in message.content]
    texts = [part.text if isinstance(part, Text) else part.caption or "" for part in parts]
    if novel:
        main = main_scene(dialogue)
        return bool(novel_pairs(main)) if main else any(map(text_novel_pairs, texts))
    return not any(map(novel_pairs, dialogue.scenes.values())) and not any(map(text_novel_pairs, texts))


def _case(name: str, turns: Callable[[Draw], None]) -> Case:
    def sample(level: Level, rng: np.random.Generator, novel: bool) -> Dialogue:
        for _ in range(10_000):
            dialogue = Dialogue(name)
            turns(Draw(dialogue, level, rng, novel))
            if is_allowed(dialogue, novel):
                return dialogue
        raise AssertionError(f"no dialogue of case {name!r} with novel={novel} in 10,000 draws")

    return sample


def _with(turns: Callable[..., None], *arguments: Any) -> Callable[[Draw], None]:
    return lambda draw: turns(draw, *arguments)


def _turns() -> Iterator[tuple[str, Callable[[Draw], None]]]:
    yield "text to text", talk
    for one in SCENES:
        yield f"text to text+{one}", _with(ask_for, one)
        yield f"text+{one} to text", _with(ask_about, one)
        for other in SCENES:
            yield f"text+{one} to text+{other}", _with(ask_depending, one, other)
    # In every order: so a reply that has brought something ends there about as often as not, and what comes next is
    # told by the request alone.
    for several_media in (*permutations(SCENES, 2), *permutations(SCENES)):
        yield f"text to text+{'+'.join(several_media)}", _with(ask_for, *several_media)
    yield "text+image to text+image+video", _with(ask_depending, "image", "image", "video")
    yield "text+image+audio to text", ask_whether_as_many
    for number in (2, 3, 4):
        yield f"{NUMBERS[number]} turns", _with(several, number)


CASES: dict[str, Case] = {name: _case(name, turns) for name, turns in _turns()}
