"""A reader of its own answers the questions from what the first turn says."""

import re
from collections import Counter
from functools import cache

from anyany.messages.types import Text
from anyany.microworld.oracles.captions import text_novel_pairs
from anyany.seeds import rng_of
from data_prep.parts.comparisons import MOST_TURNS, OF_PAIRS, OF_WORDS, comparison
from data_prep.parts.words import made_up_words
from tests.microworld.scan import scan

NUM = 3_000


@cache
def told(index):
    rng = rng_of("comparisons", index)
    messages = comparison(rng, made_up_words(rng, 6))
    return [part.text for message in messages for part in message.content if isinstance(part, Text)]


def read(said, asked):
    """Yes or no: whether the last word, or the last two of a pair, stand in what was said."""
    pairs = re.findall(r"\ban? (\w+) (\w+)", said)
    if pairs and re.match("is there|do you|is one", asked):
        words = re.findall(r"\w+", asked)[-2:]
        return tuple(words[::-1] if asked.startswith("is one") else words) in pairs
    return re.findall(r"\w+", asked)[-1 if "are there" not in asked else -2] in re.findall(r"\w+", said)


def test_replies_are_those_of_a_plain_reader(record_property):
    replies, turns, full = Counter(), Counter(), 0
    for index in range(NUM):
        texts = [text.lower() for text in told(index)]
        said, question = re.fullmatch(r"(.*?)\. (.*)", texts[0]).groups()
        turns[len(texts) // 2] += 1
        for asked, reply in zip([question, *texts[2::2]], texts[1::2], strict=True):
            word = "yes" if read(said, asked.rstrip("?")) else "no"
            assert re.fullmatch(rf"{word}(, (it is|they are|there are) \w+\.)?", reply), texts
            if "," in reply:
                assert reply.rstrip(".").split()[-1] in said.split()
                full += 1
            replies[word] += 1
    record_property("found", f"{replies.total()} replies in {NUM} comparisons, {full} of them in full")
    assert abs(replies["yes"] / replies.total() - 0.5) < 0.03
    assert sorted(turns) == list(range(1, MOST_TURNS + 1))
    assert min(turns.values()) > 0.25 * NUM
    assert 0.12 < full / replies.total() < 0.25


def test_every_way_to_ask_comes():
    asked = " ".join(text.lower() for index in range(NUM) for text in told(index)[::2])
    patterns = [re.escape(q.replace("{b}", "_").replace("{c}", "_")).replace("_", r"\w+") for _, q, _ in OF_WORDS]
    patterns += [re.escape(q.replace("{b}", "_").replace("{c}", "_")).replace("_", r"\w+") for q in OF_PAIRS]
    assert [pattern for pattern in patterns if not re.search(pattern, re.sub(r"\ban ", "a ", asked))] == []


def test_no_novel_pair_is_said():
    for index in range(NUM):
        texts = "\n".join(told(index))
        assert not scan(texts), texts
        assert not text_novel_pairs(texts), texts


def test_wrong_words_are_of_the_same_sort():
    """A wrong colour is told from the true one by looking, not because it is no colour."""
    found = Counter()
    for index in range(NUM):
        first, reply = (text.lower().rstrip(".") for text in told(index)[:2])
        match = re.fullmatch(r"(?:it is |they are |)(\w+)\. (?:is it|are they) (\w+)\?", first)
        if match and reply.startswith("no"):
            true, wrong = match.groups()
            assert true != wrong
            found["colors"] += {true, wrong} <= {"red", "yellow", "green", "cyan", "blue", "purple"}
            found["one color"] += len({true, wrong} & {"red", "yellow", "green", "cyan", "blue", "purple"}) == 1
    assert found["colors"] > 4
    assert found["one color"] == 0
