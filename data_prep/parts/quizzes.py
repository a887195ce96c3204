"""Many questions on few words: one scene or several described, then questions turn by turn, most for yes or no."""

from collections.abc import Callable

import numpy as np

from anyany.messages.types import Message, Text, assistant, user
from anyany.microworld.captions import caption
from anyany.microworld.levels import Level, sample_scene
from anyany.microworld.oracles.captions import text_novel_pairs
from anyany.microworld.questions import presence, question, yes_or_no
from anyany.microworld.scenes import SCENES
from anyany.microworld.texts import told_apart
from anyany.microworld.words import chance, pick, sentence, typed

SEVERAL = 0.5  # of the quizzes: over two or three scenes
WAYS = (yes_or_no, yes_or_no, presence, question)


def quiz(level: Level, rng: np.random.Generator) -> list[Message]:
    """A quiz over one scene or several, without a novel pair."""
    draw = over_several if chance(rng, SEVERAL) else over_one
    return _without_novel_pairs(lambda: draw(level, rng))


def over_one(level: Level, rng: np.random.Generator) -> list[Message]:
    """A description and three to six questions."""
    scene = sample_scene(pick(rng, list(SCENES)), level, rng)
    messages: list[Message] = []
    for _ in range(int(rng.integers(3, 7))):
        asked = pick(rng, WAYS)(scene, rng)
        told = sentence(asked.request) if messages else " ".join(map(sentence, (caption(scene, rng), asked.request)))
        messages += [user(typed(told, rng)), assistant(asked.reply)]
    return messages


def over_several(level: Level, rng: np.random.Generator) -> list[Message]:
    """Two or three descriptions and two to four questions, each on one of them."""
    scenes = [sample_scene(pick(rng, list(SCENES)), level, rng) for _ in range(int(rng.integers(2, 4)))]
    names, shown = told_apart(scenes, rng)
    messages: list[Message] = []
    for _ in range(int(rng.integers(2, 5))):
        index = int(rng.integers(len(scenes)))
        asked = pick(rng, WAYS)(scenes[index], rng)
        told = [*([] if messages else shown), f"in the {names[index]}, {asked.request}"]
        messages += [user(typed(" ".join(map(sentence, told)), rng)), assistant(asked.reply)]
    return messages


def _without_novel_pairs(draw: Callable[[], list[Message]]) -> list[Message]:
    for _ in range(1_000):
        messages = draw()
        if not text_novel_pairs("\n".join(part.text for m in messages for part in m.content if isinstance(part, Text))):
            return messages
    raise AssertionError("no quiz without a novel pair in 1,000 draws")
