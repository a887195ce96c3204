import re
from functools import cache

import pytest

from anyany.messages.types import Text, to_json, validate
from anyany.microworld.captions import caption
from anyany.microworld.levels import LEVELS, novel_pairs, sample_scene
from anyany.microworld.oracles.answers import is_right, read_values
from anyany.microworld.oracles.captions import read_caption, text_novel_pairs
from anyany.microworld.oracles.glossary import words_of
from anyany.microworld.questions import of_attribute, question, yes_or_no
from anyany.microworld.scenes import SCENES, Beeps, Clip, Group, Picture, Sound
from anyany.microworld.sums import bare, story
from anyany.microworld.texts import KINDS, kinds_of
from anyany.microworld.words import NUMBERS, plural, sentence, tidy
from anyany.seeds import rng_of
from tests.microworld.scan import scan

EVERY = [(level, kind) for level in LEVELS for kind in KINDS]
# Kinds that have fewer texts by nature, with how many they have at least.
FEW = {"talk": 300}


@cache
def draws(level, kind, number, novel=False):
    return [KINDS[kind].draw(LEVELS[level], rng_of("texts", level, kind, i), novel) for i in range(number)]


def texts_of(sample):
    return [part.text for message in sample.messages for part in message.content if isinstance(part, Text)]


def test_there_are_kinds_for_training_and_kinds_held_out(record_property):
    record_property("found", f"{len(KINDS)} kinds of text")
    held_out = [name for name, kind in KINDS.items() if kind.held_out]
    assert len(KINDS) >= 8
    assert held_out == ["sums_digits", "talk_facts"]


@pytest.mark.parametrize(("level", "kind"), EVERY)
def test_a_sample_is_a_request_and_a_right_reply(level, kind):
    for sample in draws(level, kind, 200):
        validate(sample.messages)
        assert [message.role for message in sample.messages] == ["user", "assistant"]
        request, reply = texts_of(sample)
        assert sample.kind == kind
        assert (request + reply).isascii()
        assert "  " not in request + reply
        assert is_right(reply, sample.answer), (request, reply, sample.answer)


@pytest.mark.parametrize(("level", "kind"), EVERY)
def test_train_like_text_holds_no_novel_pair(level, kind):
    assert not [text for s in draws(level, kind, 200) for text in texts_of(s) if text_novel_pairs(text)]


@pytest.mark.parametrize(("level", "kind"), EVERY)
def test_train_like_text_holds_no_novel_pair_by_a_plain_scan(level, kind):
    assert not [text for s in draws(level, kind, 200) for text in texts_of(s) if scan(text)]


SAID = (
    ("It should be low if the yellow thing in the clip is a cross, high if it is a square.", {"yellow square"}),
    ("It should be a square if the blue thing in the clip is a ring, and a cross otherwise.", {"blue ring"}),
    ("it should be red if the ring in the picture is green, cyan if it is blue", {"blue ring"}),
    ("It should be a cross if the triangles in the clip move left, and a ring if they move up.", {"triangle up"}),
    ("are the red things triangles?", {"red triangle"}),
    ("draw purple things that are circles", {"purple circle"}),
    ("a red cross and crosses in green", {"green cross"}),
    ("the circle that gets bigger", {"circle grow"}),
    ("rings slowly sliding to the right", {"ring right"}),
    ("low-pitched rising beeps", {"tone low"}),
    ("the same, but with the buzzes at a high pitch", {"buzz high"}),
    ("the hisses have a medium pitch", {"hiss middle"}),
    ("are the tones in the recording low?", {"tone low"}),
    ("play a high sound. is the high sound a buzz?", {"buzz high"}),
    ("It should be a square if the yellow thing in the clip is a cross, and a ring otherwise.", set()),
    ("a red circle to the right of a triangle. is the ring red?", set()),
    ("low buzzes, then high tones", set()),
    ("the ring moves up, then the triangle moves right", set()),
)


@pytest.mark.parametrize(("text", "pairs"), SAID)
def test_reader_and_plain_scan_find_the_pairs_that_a_text_says(text, pairs):
    assert scan(text) == pairs
    assert set(map(str, text_novel_pairs(text))) == pairs


def test_the_plain_scan_finds_the_pairs_of_captions():
    """The scan and the scene agree on nearly all captions; only what stands far apart escapes the scan."""
    found = missed = 0
    for modality in SCENES:
        for index in range(300):
            scene = sample_scene(modality, LEVELS["standard"], rng_of("scan", modality, index), novel=index % 2 == 0)
            held, scanned = set(map(str, novel_pairs(scene))), scan(caption(scene, rng_of(index)))
            assert scanned <= held
            found, missed = found + len(scanned), missed + len(held - scanned)
    assert found >= 400
    assert missed <= found // 20


def holds_novel_pair(sample):
    return any(map(text_novel_pairs, texts_of(sample)))


@pytest.mark.parametrize(("level", "kind"), EVERY)
def test_text_of_the_novel_split_holds_a_novel_pair_where_its_kind_can(level, kind):
    """To the other kinds, which speak of no scenes or leave out what makes the pair, the split makes no difference."""
    samples = draws(level, kind, 60, novel=True)
    if KINDS[kind].novel:
        assert all(map(holds_novel_pair, samples))
    else:
        assert [s.messages for s in samples] == [s.messages for s in draws(level, kind, 60)]


def test_the_novel_split_draws_kinds_that_can_hold_a_novel_pair():
    able = [KINDS[name] for name in ("describe", "question", "question_of_several", "order")]
    assert kinds_of(novel=True) == able
    assert len(kinds_of(novel=False)) == len(KINDS) - 2
    held_out = [KINDS[name] for name in ("sums_digits", "talk_facts")]
    assert kinds_of(novel=True, held_out=True) == kinds_of(novel=False, held_out=True) == held_out


@pytest.mark.parametrize("level", LEVELS)
def test_each_medium_has_one_name_in_a_text(level):
    """Of several clips none is called a video beside: the names would tell them apart."""
    several = 0
    for sample in draws(level, "question_of_several", 200):
        named = set(re.findall(r"\bthe (?:\w+ )?(picture|image|clip|video|recording)\b", texts_of(sample)[0].lower()))
        assert not {"picture", "image"} <= named
        assert not {"clip", "video"} <= named
        several += " second " in texts_of(sample)[0].lower()
    assert several >= 80


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_text(kind):
    one, again = ([to_json(s.messages) for s in draws.__wrapped__("hard", kind, 20)] for _ in range(2))
    assert one == again
    assert len({str(messages) for messages in one}) >= 15


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_thousands_of_texts(kind):
    assert len({str(texts_of(sample)) for sample in draws("easy", kind, 5_000)}) >= FEW.get(kind, 2_000)


@pytest.mark.parametrize("level", LEVELS)
def test_a_question_after_one_of_two_groups_does_not_tell_how_many_it_has(level):
    found = 0
    for index in range(400):
        rng = rng_of("relation", level, index)
        scene = sample_scene("image", LEVELS[level], rng)
        asked = question(scene, rng)
        if "scene" in asked.answer:
            found += 1
            assert asked.request.startswith("what is "), asked
    assert (found > 30) == (level == "hard")


THREE = Picture((Group(3, "red", "circle", "small", "top"),))
ONE = Clip((Group(1, "blue", "square", motion="left", speed="fast"),))
BEEPS = Sound((Beeps(2, "hiss", "low", "long", "rising"),))


@pytest.mark.parametrize(
    ("scene", "name", "replies"),
    [
        (THREE, "number", {"three", "There are three."}),
        (THREE, "color", {"red", "They are red."}),
        (THREE, "shape", {"circles", "They are circles."}),
        (THREE, "size", {"small", "They are small."}),
        (THREE, "place", {"at the top", "They are at the top."}),
        (ONE, "shape", {"a square", "It is a square."}),
        (ONE, "speed", {"It moves quickly."}),
        (BEEPS, "timbre", {"hisses", "They are hisses."}),
        (BEEPS, "pitch", {"low", "They are low."}),
        (BEEPS, "length", {"long", "They are long."}),
        (BEEPS, "glide", {"They rise.", "They go up."}),
    ],
)
def test_replies_to_questions_are_short_or_whole_sentences(scene, name, replies):
    asked = [of_attribute(scene, 0, name, rng_of(i)) for i in range(60)]
    assert {one.reply for one in asked} == replies
    assert len({one.request for one in asked}) >= 2


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("modality", SCENES)
def test_yes_and_no_are_true_by_a_plain_reading_of_the_question(level, modality):
    """Yes if and only if some one thing has every value that the question names."""
    answers = {"yes": 0, "no": 0}
    for index in range(300):
        rng = rng_of("yes or no", level, modality, index)
        scene = sample_scene(modality, LEVELS[level], rng)
        asked = yes_or_no(scene, rng)
        said = [word for word in words_of(asked.request, modality) if word.attribute not in (None, "order")]
        things = list(scene.things)
        for position, place in enumerate(("first", "second")):
            if f" {place} " in asked.request:
                things = [scene.things[position]]
        true = any(all(getattr(thing, word.attribute) == word.value for word in said) for thing in things)
        assert asked.answer["value"] == ("yes" if true else "no"), (scene, asked)
        answers[asked.answer["value"]] += 1
    assert min(answers.values()) >= 90


@pytest.mark.parametrize("level", LEVELS)
def test_questions_cover_every_attribute_that_is_said(level):
    for modality, said in LEVELS[level].said.items():
        asked = set()
        for index in range(400):
            rng = rng_of("cover", level, modality, index)
            asked.add(question(sample_scene(modality, LEVELS[level], rng), rng).answer.get("attribute"))
        assert set(said) - {"speed"} <= asked


def test_descriptions_are_told_again_in_other_words():
    samples = draws("standard", "describe", 200)
    for sample in samples:
        assert sample.answer["scene"]["modality"] in SCENES
    assert sum(reply.lower() in request.lower() for request, reply in map(texts_of, samples)) < 60


def test_what_is_not_said_is_not_in_the_description():
    """The description lacks the attribute that is asked for: an oracle for whole captions finds it incomplete."""
    incomplete = 0
    for sample in draws("easy", "unsaid", 200):
        described = texts_of(sample)[0]
        incomplete += all(not attributes_read(described, modality) for modality in SCENES)
    assert incomplete >= 80  # the others leave out what no caption of the level says


def attributes_read(text, modality):
    first = re.split(r"(?<=[.:]) ", text.lower())
    return any(hasattr(read_caption(part, modality), "things") for part in first)


def numbers_of(text):
    words = re.findall(r"\w+", text.lower())
    return [int(word) if word.isdigit() else NUMBERS.index(word) for word in words if word.isdigit() or word in NUMBERS]


def test_stories_add_up():
    signs = {1: 0, -1: 0}
    for index in range(500):
        request, reply, answer = story(rng_of("story", index))
        a, b = numbers_of(request)
        sign = -1 if re.search(r"\b(?:ate|took|lost|gave \d+|gave \w+ to|sold|missing)\b", request) else 1
        signs[sign] += 1
        assert answer["value"] == a + sign * b, request
        assert 0 <= answer["value"] <= 12
        assert read_values(reply, "number") == {a + sign * b}
    assert min(signs.values()) >= 150


def test_stories_are_answered_of_whom_they_are_asked():
    subjects = {"there": "There", "i": "You", "we": "You", "that": "That"}
    asked = set()
    for index in range(300):
        request, reply, _ = story(rng_of("subject", index))
        question = re.search(r"how many \w+ (?:does|do|did|are|is) (\w+)", request.lower())
        if question and " " in reply and question[1] not in ("left", "still", "missing"):
            subject = question[1]
            assert reply.startswith(subjects.get(subject, subject.capitalize()) + " "), (request, reply)
            asked.add(subjects.get(subject, "name"))
    assert asked == {"There", "You", "That", "name"}


def test_bare_sums_add_up():
    for index in range(300):
        request, reply, _ = bare(rng_of("bare", index))
        a, b = numbers_of(request.replace("now: ", ""))
        if re.search(r"add|plus|\+", request):
            assert int(reply) == a + b
        else:
            assert int(reply) == (b - a if "take" in request else a - b)


@pytest.mark.parametrize(
    ("noun", "many"),
    [
        ("cross", "crosses"),
        ("buzz", "buzzes"),
        ("box", "boxes"),
        ("berry", "berries"),
        ("ring", "rings"),
        ("key", "keys"),
    ],
)
def test_plurals(noun, many):
    assert (plural(noun, 1), plural(noun, 2)) == (noun, many)


def test_sentences_are_tidy():
    assert tidy("a  egg , and a cat .") == "an egg, and a cat."
    assert sentence("is it red?") == "Is it red?"
    assert sentence("it is red") == "It is red."
