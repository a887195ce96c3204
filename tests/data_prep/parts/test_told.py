from collections import Counter

import pytest

from anyany.messages.types import Media, Text, assistant, media_of, user
from anyany.microworld.dialogues import CASES, sample_dialogue
from anyany.microworld.instructions import WORDS
from anyany.microworld.levels import LEVELS
from anyany.microworld.oracles.answers import is_right
from anyany.microworld.oracles.captions import read_caption, text_novel_pairs
from anyany.microworld.scenes import Group, Picture, to_json
from anyany.microworld.turns import Dialogue
from anyany.seeds import rng_of
from data_prep.parts import words
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.told import half_seen_dialogue, in_text, is_told_right, made, seen
from data_prep.parts.words import SEEING, disguised, text_sample
from tests.microworld.scan import scan

NUM = 400
RED, BLUE = (Picture((Group(1, color, shape),)) for color, shape in (("red", "circle"), ("blue", "square")))


def by_hand() -> Dialogue:
    """Shows a red circle, and is given a blue square and the same circle."""
    dialogue = Dialogue("by hand")
    shown, square, circle = (dialogue.media(scene, "said") for scene in (RED, BLUE, RED))
    messages = [
        user(shown, "Draw a blue square. Also draw this."),
        assistant("Sure! Here is a blue square.", square, "And here is a red circle.", circle),
    ]
    dialogue.messages.extend(messages)
    return dialogue


def test_what_is_shown_is_described_and_what_is_given_is_told_in_its_place():
    for index in range(20):
        request, reply = in_text(by_hand(), rng_of("told", index))
        (told,) = request.content
        described, _, asked = told.text.partition(". ")
        assert is_right(described, {"scene": to_json(RED)})
        assert asked == "Draw a blue square. Also draw this."
        said = ("Sure! Here is a blue square.", "image: said;", "And here is a red circle.", "image: said;")
        assert reply.content == tuple(map(Text, said))


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("Sure! Here is a blue square.image: a blue square;And here is a red circle.image: a red circle;", True),
        ("Sure! Here is a blue square. And here is a red circle.image: a blue square;image: a red circle;", True),
        ("This is a square in blue.image: we see a blue square;And here is an image of it.image: a red circle;", False),
        ("Here is a blue square.image: a blue square;", False),
        ("Here is a blue square. And here is a red circle.", False),
        ("Here is a blue square. And here is a red circle.image: a blue square;", False),
        ("Here is a blue square.image: a blue square;And here is a red circle.video: a red circle;", False),
        ("Here is a red circle.image: a red circle;And here is a blue square.image: a blue square;", False),
        ("Here is a blue square.image: a blue square;And here is a blue circle.image: a red circle;", False),
        ("Here is a blue square.image: a blue square;And here is a red circle.image: a blue circle;", False),
        ("Here is a blue square.image: a blue square;image: a red circle;", False),
        ("Sure! Here is a blue square.image: a blue square;And here is a red circle.image: a red circle", False),
        ("Sure! Here is a blue square.image: a blue square And here is a red circle.image: a red circle;", False),
        ("", False),
    ],
)
def test_a_reply_names_and_brings_all_that_it_would_give_in_order(reply, right):
    assert is_told_right(reply, by_hand()) is right


def test_dialogues_in_text_are_right_and_hold_no_novel_pair(record_property):
    """Their own last replies are; one that gives something and is said twice is not what was asked for."""
    cases: Counter[str] = Counter()
    for level in TRAINED_ON:
        rng = rng_of("told", level)
        for _ in range(NUM):
            dialogue = sample_dialogue(LEVELS[level], rng)
            messages = in_text(dialogue, rng)
            texts = [part.text for message in messages for part in message.content]  # so none holds a medium
            assert not text_novel_pairs("\n".join(texts)), texts
            assert not scan("\n".join(texts)), texts
            reply = "".join(part.text for part in messages[-1].content)
            assert is_told_right(reply, dialogue), texts
            gives = any(isinstance(part, Media) for part in dialogue.messages[-1].content)
            assert not gives or not is_told_right(reply + reply, dialogue), texts
            cases[dialogue.case] += 1
    record_property("found", f"{cases.total()} dialogues in text of {len(cases)} cases")
    assert cases.keys() == CASES.keys()


@pytest.mark.parametrize("draw", [seen, half_seen_dialogue])
def test_what_is_seen_is_one_thing_and_says_what_it_is(draw, record_property):
    """Without a novel pair in what is said or shown; no reply holds a medium."""
    number = 0
    for level in TRAINED_ON:
        rng = rng_of("seen", level)
        for _ in range(NUM):
            messages = draw(LEVELS[level], rng)
            media = list(media_of(messages))
            assert list(media_of(messages, "assistant")) == []
            for medium in media:
                scene = read_caption(medium.caption, medium.modality)
                assert len(scene.things) == 1, medium.caption
            texts = [getattr(part, "text", None) or part.caption for m in messages for part in m.content]
            assert not any(map(text_novel_pairs, texts)), texts
            number += len(media)
            assert draw is half_seen_dialogue or isinstance(messages[0].content[0], Media)
    record_property("found", f"{number} descriptions of things that are seen")
    assert number > NUM / 2


def test_what_is_made_is_told_as_it_was_asked_for(record_property):
    """To the letter, but for what a hasty user does to it."""
    number = 0
    for level in TRAINED_ON:
        rng = rng_of("made", level)
        for _ in range(NUM):
            request, reply = made(LEVELS[level], rng)
            modality, _, said = reply.content[-1].text.partition(": ")
            assert said[-1] == ";"
            said = said[:-1]
            assert len(read_caption(said, modality).things) == 1
            assert said.lower() in request.content[0].text.lower()
            assert not text_novel_pairs(said)
            number += 1
    record_property("found", f"{number} requests that quote what they want")


def test_a_disguise_covers_what_is_seen_too():
    """With words that the LLM knows, for it cannot spell one out of a blur."""
    found = set()
    for index in range(40):
        asked = user(Media("image", member="", caption="two red crosses"), "What color are the crosses?")
        request, reply = disguised([asked, assistant("They are red.")], rng_of("disguise", index))
        medium, text = request.content
        color = reply.content[0].text.removeprefix("They are ").removesuffix(".")
        number, told, noun = medium.caption.split()
        assert (number, told) == ("two", color)
        assert text.text == f"What color are the {noun}?"
        assert color in ("red", *WORDS)
        assert noun.removesuffix("s").removesuffix("e") in ("cross", *WORDS) or noun.removesuffix("s") in WORDS
        found |= {color == "red", noun == "crosses"}
    assert found == {True, False}


def test_each_sort_comes_as_often_as_the_mixture_says(monkeypatch):
    drawn = Counter()
    for name in ("quiz", "told_dialogue", "half_seen_dialogue", "seen", "made", "comparison"):
        keep = getattr(words, name)
        monkeypatch.setattr(words, name, lambda *given, n=name, k=keep: drawn.update([n]) or k(*given))
    for index in range(2_000):
        text_sample(rng_of("seeing", index), SEEING)
    shares = {name: number / 2_000 for name, number in drawn.items()}
    wanted = {"quiz": SEEING.quizzes, "told_dialogue": SEEING.dialogues, "half_seen_dialogue": SEEING.half_seen}
    wanted |= {"seen": SEEING.seen, "made": SEEING.made, "comparison": SEEING.comparisons}
    assert shares == pytest.approx(wanted, abs=0.03)
