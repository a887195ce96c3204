import re

import pytest

from anyany.microworld.captions import NOUNS, SENTENCES, caption, form, noun
from anyany.microworld.levels import LEVELS, novel_pairs, sample_scene
from anyany.microworld.oracles.captions import read_caption, text_novel_pairs
from anyany.microworld.scenes import SCENES, Beeps, Clip, Group, Picture, Sound, Unreadable
from anyany.seeds import rng_of

EVERY = [(level, modality) for level in LEVELS for modality in SCENES]
RED = Group(2, "red", "circle")
BLUE = Group(1, "blue", "square")


def scenes(level, modality, number, novel=False):
    for index in range(number):
        rng = rng_of("captions", level, modality, index)
        yield sample_scene(modality, LEVELS[level], rng, novel and index % 4 == 0), rng


@pytest.mark.parametrize(("level", "modality"), EVERY)
def test_the_oracle_reads_every_caption_back(level, modality):
    for index, (scene, rng) in enumerate(scenes(level, modality, 2_000, novel=True)):
        text = caption(scene, rng)
        disguised = (text, text.upper() + "!", f"Sure, look: {text}.", text.replace(",", ""))[index % 4]
        assert read_caption(disguised, modality) == scene, disguised


@pytest.mark.parametrize(("level", "modality"), EVERY)
def test_the_oracle_reads_what_stands_in_a_sentence(level, modality):
    for scene, rng in scenes(level, modality, 200):
        assert read_caption(f"Here you have {noun(scene, rng)}.", modality) == scene


@pytest.mark.parametrize(("level", "modality"), EVERY)
def test_captions_are_phrased_in_many_ways_that_all_occur(level, modality):
    said = {str(value) for values in LEVELS[level].said[modality].values() for value in values}
    said |= {"a", "an", "one", "two", "three", "four", "five", "six"}
    skeletons = set()
    for scene, rng in scenes(level, modality, 400):
        text = caption(scene, rng)
        assert re.fullmatch(r"[a-z0-9,\- ]+", text), text
        skeletons.add(" ".join("_" if word.rstrip("es") in said or word in said else word for word in text.split()))
        assert len(SENTENCES[form(scene)]) >= 6
    assert len(skeletons) >= 20


def test_one_scene_has_many_captions():
    texts = {caption(Picture((RED,)), rng_of(i)) for i in range(300)}
    assert {"two red circles", "a picture of two red circles", "there are two circles in red"} <= texts


@pytest.mark.parametrize(("level", "modality"), EVERY)
def test_number_and_article_agree(level, modality):
    """A plain scan: what follows "a" or "one" is no plural before the noun ends, and "an" stands before vowels."""
    for scene, rng in scenes(level, modality, 300):
        text = caption(scene, rng)
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text), text
        assert not re.search(
            r"\b(?:a|one)(?: [a-z-]+)? (?:circles|squares|triangles|crosses|rings|tones|buzzes)\b", text
        )
        assert not re.search(r"\b(?:two|three|four|2|3|4) \w+ (?:circle|square|triangle|cross|ring|tone|buzz)\b", text)


# Words and orders that captions themselves never use.
READ_BY_HAND = [
    ("Sure! Here are 2 crimson discs.", Picture((RED,))),
    ("a pair of red dots", Picture((RED,))),
    ("there are circles, two of them, and they are red", Picture((RED,))),
    (
        "In this image you can see two red circles. The circles are small.",
        Picture((Group(2, "red", "circle", "small"),)),
    ),
    ("one tiny cyan box in the upper part", Picture((Group(1, "cyan", "square", "small", "top"),))),
    ("a blue square, on top of two red circles", Picture((BLUE, RED), "above")),
    ("two red circles beneath a blue square", Picture((RED, BLUE), "below")),
    ("a blue square with two red circles to its left", Picture((RED, BLUE), "left of")),
    ("a violet hoop drifts leftwards", Clip((Group(1, "purple", "ring", motion="left"),))),
    ("A green ball becomes larger.", Clip((Group(1, "green", "circle", motion="grow"),))),
    ("a green ball grows smaller", Clip((Group(1, "green", "circle", motion="shrink"),))),
    ("a red cross moves from right to left, rapidly", Clip((Group(1, "red", "cross", motion="left", speed="fast"),))),
    ("a red cross. the cross rises", Clip((Group(1, "red", "cross", motion="up"),))),
    (
        "before a blue square vanishes, two red circles go up",
        Clip((Group(2, "red", "circle", motion="up"), Group(1, "blue", "square", motion="vanish"))),
    ),
    ("Beep three times, high!", Sound((Beeps(3, "tone", "high"),))),
    ("two deep humming... no, buzzing noises", Sound((Beeps(2, "buzz", "low"),))),
    ("a brief, high chirp going up", Sound((Beeps(1, "chirp", "high", "short", "rising"),))),
    ("a low hiss, but first two high tones", Sound((Beeps(2, "tone", "high"), Beeps(1, "hiss", "low")))),
]


@pytest.mark.parametrize(("text", "scene"), READ_BY_HAND)
def test_the_oracle_reads_words_that_captions_do_not_use(text, scene):
    assert read_caption(text, scene.modality) == scene


@pytest.mark.parametrize(
    ("text", "modality", "reason"),
    [
        ("", "image", "names no shape"),
        ("hello, how are you?", "video", "names no shape"),
        ("xkcd qwerty 1234 %%%", "audio", "names no timbre"),
        ("red circles", "image", "names no number"),
        ("two circles", "image", "names no color"),
        ("two red things", "image", "names no shape"),
        ("a red circle", "video", "names no motion"),
        ("three tones", "audio", "names no pitch"),
        ("a red blue circle", "image", "says both"),
        ("a red circle. the circle is green", "image", "says both"),
        ("a red circle that moves up and down", "video", "says both"),
        ("a high low tone", "audio", "says both"),
        ("there are no red circles", "image", "speaks of none"),
        ("a red circle that moves to the left", "image", "speaks of a motion"),
        ("two red circles", "audio", "names no timbre"),
        ("three high tones", "image", "names no shape"),
    ],
)
def test_the_oracle_refuses_what_is_incomplete_or_contradicts_itself(text, modality, reason):
    read = read_caption(text, modality)
    assert isinstance(read, Unreadable)
    assert reason in read.reason


def test_the_oracle_refuses_the_captions_of_other_modalities():
    for level, modality in EVERY:
        for scene, rng in scenes(level, modality, 50):
            for other in set(SCENES) - {modality}:
                assert isinstance(read_caption(caption(scene, rng), other), Unreadable)


@pytest.mark.parametrize(("level", "modality"), EVERY)
def test_novel_pairs_in_captions_are_those_of_the_scene(level, modality):
    for scene, rng in scenes(level, modality, 400, novel=True):
        assert set(text_novel_pairs(caption(scene, rng))) == set(novel_pairs(scene))


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("is there a red triangle?", ["red triangle"]),
        ("Two small TRIANGLES in red.", ["red triangle"]),
        ("is the ring blue?", ["blue ring"]),
        ("does the triangle move up?", ["triangle up"]),
        ("play two low beeps", ["tone low"]),
        ("the hisses have a middle pitch", ["hiss middle"]),
        ("a circle that gets bigger and a green cross", ["circle grow", "green cross"]),
        ("a red circle above a green triangle", []),
        ("Is it red? I see a triangle.", []),
        ("colors are red and blue", []),
        ("a ring to the right of a square", []),
        ("low buzzes, then high tones", []),
    ],
)
def test_novel_pairs_are_found_where_one_thing_is_meant(text, pairs):
    assert sorted(map(str, text_novel_pairs(text))) == sorted(pairs)


def test_every_form_of_a_scene_has_its_phrasings():
    assert {name for name in NOUNS if "unmoved" not in name} == set(SENTENCES)
