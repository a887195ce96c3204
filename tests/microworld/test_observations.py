"""What replies saw is read back as the scene that they depend on, and taken off to the letter."""

import re

import pytest

from anyany.messages.types import Text
from anyany.microworld.dialogues import CASES, sample_dialogue
from anyany.microworld.levels import LEVELS
from anyany.microworld.observations import without_observations
from anyany.microworld.oracles.captions import read_caption
from anyany.seeds import rng_of

DEPENDENT = [case for case in CASES if re.fullmatch(r"text\+\w+ to text\+.+", case)]
GIVING = [case for case in CASES if re.fullmatch(r"text to text\+.+", case)]


def replies(level, case, number):
    for index in range(number):
        dialogue = sample_dialogue(LEVELS[level], rng_of("observations", level, case, index), case=case)
        yield dialogue, " ".join(part.text for part in dialogue.messages[-1].content if isinstance(part, Text))


@pytest.mark.parametrize(("level", "case"), [(level, case) for level in LEVELS for case in DEPENDENT])
def test_a_reply_says_the_scene_that_it_depends_on(level, case):
    for dialogue, reply in replies(level, case, 25):
        source = next(iter(dialogue.scenes.values()))
        (seen,) = re.findall(r"\bI (?:see|hear) (.*?)\.", reply)
        assert read_caption(seen, source.modality) == source
        assert (" hear " in reply) == (source.modality == "audio")


@pytest.mark.parametrize("case", GIVING)
def test_where_nothing_is_shown_nothing_is_seen(case):
    assert [reply for _, reply in replies("easy", case, 25) if without_observations(reply) != reply] == []


@pytest.mark.parametrize(
    ("reply", "rest"),
    [
        ("I see a red circle. Here is a low tone.", "Here is a low tone."),
        ("Sure! I hear two low tones, then a hiss. Here are 2 circles.", "Sure! Here are 2 circles."),
        ("I see two red rings. They are red: low. Here is a low tone.", "Here is a low tone."),
        ("I see a ring. It is red: grow. It is a ring: high. Here is a clip.", "Here is a clip."),
        ("I see nothing", "I see nothing"),
        ("Here is what I see: a circle.", "Here is what I see: a circle."),
        ("I see a circle. I see a square. Good.", "Good."),
    ],
)
def test_observations_are_taken_off_whole(reply, rest):
    assert without_observations(reply) == rest
