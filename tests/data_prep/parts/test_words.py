import re
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from anyany.messages.types import Text, assistant, user
from anyany.microworld.levels import LEVELS, novel_pairs, sample_scene
from anyany.microworld.oracles.captions import read_caption, text_novel_pairs
from anyany.microworld.scenes import SCENES
from anyany.microworld.texts import KINDS
from anyany.seeds import rng_of
from data_prep.parts import words
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.quizzes import over_one, over_several, quiz
from data_prep.parts.words import ASKING, DISGUISED, READING, captions, disguised, say, text_sample
from tests.microworld.scan import scan

NUM = 2_000


def test_captions_hold_no_novel_pair(record_property):
    told = list(captions(list(SCENES), NUM))
    assert len(told) == NUM
    record_property("found", f"{len(set(told))} different captions for tokenizers")
    assert [text for text in told if text_novel_pairs(text) or scan(text)] == []


def texts_of(messages):
    return [part.text for message in messages for part in message.content if isinstance(part, Text)]


def test_texts_hold_no_novel_pair(record_property, monkeypatch):
    rng, kinds, plain, compared = rng_of("words", "texts"), Counter(), [], 0
    for name, kind in KINDS.items():
        monkeypatch.setitem(words.KINDS, name, replace(kind, draw=partial(count_and_draw, kinds, name, kind.draw)))
    keep = words.disguised
    monkeypatch.setattr(words, "disguised", lambda messages, rng: plain.append(messages) or keep(messages, rng))
    for _ in range(NUM):
        drawn = kinds.total()
        messages = text_sample(rng)
        compared += kinds.total() == drawn
        texts = "\n".join(texts_of(messages))
        assert not scan(texts), texts
        if not plain:  # made-up nouns would let a reader give a word to the noun before
            assert not text_novel_pairs(texts), texts
        while plain:
            assert not text_novel_pairs("\n".join(texts_of(plain.pop()))), texts
    record_property("found", f"{len(kinds)} kinds of text that a language model learns from")
    assert compared / NUM == pytest.approx(READING.comparisons, abs=0.04)
    num, total = NUM - compared, sum(READING.kinds.get(name, 1) for name in KINDS)
    assert kinds == pytest.approx({name: num * READING.kinds.get(name, 1) / total for name in KINDS}, rel=0.35)


def count_and_draw(counts, name, draw, *arguments):
    counts[name] += 1
    return draw(*arguments)


def test_a_disguise_exchanges_words_alike_in_request_and_reply():
    request, reply = "Two small Red crosses, then three beeps. What color are the crosses?", "They are red crosses."
    seen = set()
    for index in range(60):
        rng = rng_of("disguise", index)
        asked, said = texts_of(disguised([user(request), assistant(reply)], rng))
        color, crosses = re.fullmatch(r"They are (\w+) (\w+)\.", said).groups()
        assert f" {color.capitalize()} {crosses}, then three " in asked
        assert asked.endswith(f"What color are the {crosses}?")
        assert crosses.endswith("s")
        seen |= {("red", color == "red"), ("crosses", crosses == "crosses"), ("beeps", "beeps" in asked)}
    assert len(seen) == 6  # each word is exchanged now and then, and each stays at times


def test_words_for_one_value_are_exchanged_for_one():
    for index in range(60):
        asked, said = texts_of(
            disguised([user("a tone and two beeps"), assistant("a small or little tone")], rng_of(index))
        )
        assert (" tone " in f"{asked} ") == ("beeps" in asked) == said.endswith("tone")
        assert ("small" in said) == ("little" in said)


def test_half_of_what_is_said_of_scenes_is_in_disguise(monkeypatch):
    found = Counter()
    monkeypatch.setattr(words, "disguised", lambda messages, rng: [])
    for index in range(NUM):
        found[text_sample(rng_of("half", index)) == []] += 1
    speaks = sum(READING.kinds.get(name, 1) for name, kind in KINDS.items() if kind.novel)
    wanted = (1 - READING.comparisons) * DISGUISED * speaks / sum(READING.kinds.get(name, 1) for name in KINDS)
    assert found[True] / NUM == pytest.approx(wanted, abs=0.04)


@pytest.mark.parametrize(("draw", "turns"), [(over_one, [3, 4, 5, 6]), (over_several, [2, 3, 4])])
def test_a_quiz_asks_mostly_for_yes_or_no(record_property, draw, turns):
    replies, found_turns = Counter(), Counter()
    for index in range(300):
        messages = draw(LEVELS[TRAINED_ON[index % 2]], rng_of("quiz", index))
        assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2)
        found_turns[len(messages) // 2] += 1
        for reply in texts_of(messages)[1::2]:
            replies[found[0].lower() if (found := re.match("yes|no", reply, re.IGNORECASE)) else "other"] += 1
    record_property("found", f"{replies.total()} questions in 300 quizzes {draw.__name__}")
    assert sorted(found_turns) == turns
    # A thing that is asked for is there a little more often than not.
    assert replies["other"] / replies.total() < 0.3
    assert abs(replies["yes"] - replies["no"]) < 0.15 * replies.total()


def test_a_quiz_over_several_scenes_names_the_one_it_asks_about(record_property):
    asked = 0
    for index in range(100):
        first, *others = texts_of(over_several(LEVELS["easy"], rng_of("several", index)))[::2]
        names = re.findall(r"the ((?:first |second |third )?\w+): ", first, re.IGNORECASE)
        assert len(set(names)) == len(names) in (2, 3), first
        for text in (first.rpartition(". ")[2], *others):
            asked += 1
            assert re.match(r"in the (.+?),", text, re.IGNORECASE)[1].lower() in [name.lower() for name in names], text
    record_property("found", f"{asked} questions on one of several scenes")


def test_no_quiz_holds_a_novel_pair(record_property):
    for index in range(300):
        texts = "\n".join(texts_of(quiz(LEVELS[TRAINED_ON[index % 2]], rng_of("quiz", index))))
        assert not scan(texts), texts
        assert not text_novel_pairs(texts), texts
    record_property("found", "300 quizzes without a novel pair")


def test_a_mixture_counts_its_quizzes(monkeypatch):
    drawn = Counter()
    for name in ("quiz", "comparison"):
        monkeypatch.setattr(words, name, lambda *given, name=name: drawn.update([name]) or [])
    for index in range(NUM):
        text_sample(rng_of("asking", index), ASKING)
    assert drawn["quiz"] / NUM == pytest.approx(ASKING.quizzes, abs=0.04)
    assert drawn["comparison"] / NUM == pytest.approx(ASKING.comparisons, abs=0.04)


@pytest.mark.parametrize("modality", SCENES)
def test_captions_of_one_modality_speak_of_it_alone(modality):
    told = list(captions([modality], 200))
    read = [read_caption(text, modality) for text in told]
    assert {type(scene) for scene in read} == {SCENES[modality]}
    assert not any(novel_pairs(scene) for scene in read)
    assert told == list(captions([modality], 200))


@pytest.mark.parametrize("modality", SCENES)
@pytest.mark.parametrize("level", TRAINED_ON)
def test_a_scene_is_said_whole(modality, level):
    rng, said = rng_of("words", modality, level), set()
    scene = sample_scene(modality, LEVELS[level], rng)
    for _ in range(60):
        said.add(say(scene, rng))
    assert len(said) > 10
    assert {read_caption(text, modality) for text in said} == {scene}
