"""A reader of its own chooses by the rule and by what is so."""

import re
from collections import Counter

from anyany.messages.types import Text
from anyany.microworld.oracles.captions import text_novel_pairs
from anyany.seeds import rng_of
from data_prep.parts.choices import MOST_ROWS, MOST_TURNS, ORDERS, SAID, choice
from data_prep.parts.words import MADE_UP, made_up_words
from tests.microworld.scan import scan

NUM = 3_000
RULE = re.compile(r"if .*, otherwise \w+")


def told(index):
    rng = rng_of("choices", index)
    messages = choice(rng, made_up_words(rng, MADE_UP))
    return [part.text.lower() for message in messages for part in message.content if isinstance(part, Text)]


def chosen(rule, said):
    """(row, word): of the row whose value is said, or of what holds otherwise."""
    table = re.findall(rf"if ([^,]+), (?:(?:{'|'.join(ORDERS)}) )?(\w+)", rule)
    for row, (condition, word) in enumerate(table):
        if condition.split()[-1] in re.findall(r"\w+", said):
            return row, word
    return len(table), re.search(r"otherwise (\w+)", rule)[1]


def test_replies_are_those_of_a_plain_reader(record_property):
    rows, turns, orders, at_once = Counter(), Counter(), Counter(), Counter()
    for index in range(NUM):
        texts = told(index)
        rule = RULE.search(texts[0])[0]
        number, *before = rule.count("if "), texts[0].startswith(rule)
        seen = [texts[0].replace(rule, "").strip(". "), *(text.strip(".") for text in texts[2::2])]
        if "," in texts[1]:
            things = seen[0].split(", ")
            assert texts[1] == ", ".join(f"{thing}: {chosen(rule, thing)[1]}" for thing in things), texts
            assert len(texts) == 2
            at_once[number, len(things)] += 1
            continue
        for so, reply in zip(seen, texts[1::2], strict=True):
            row, word = chosen(rule, so)
            assert reply == f"{so}: {word}", texts
            rows[number, row] += 1
        turns[len(seen)] += 1
        orders[before[0]] += 1
    record_property("found", f"{rows.total()} replies one by one and {at_once.total()} at once in {NUM} choices")
    for number in (1, 2):
        counts = [rows[number, row] for row in range(number + 1)]
        assert max(counts) < 1.1 * sum(counts) / (number + 1), rows
    assert sorted(turns) == list(range(1, MOST_TURNS + 1))
    assert abs(orders[True] - orders[False]) < 0.1 * orders.total(), orders
    assert {number for number, _ in at_once} == set(range(1, MOST_ROWS + 1))
    assert {things - number for number, things in at_once} == {1, 2}


def test_every_way_to_say_and_to_order_comes():
    asked = " | ".join(text for index in range(NUM) for text in told(index)[::2])
    conditions = [condition.format(b=r"\w+", c=r"\w+") for _, *both in SAID for condition in both]
    wanted = (*(rf", {order} \w+, " for order in ORDERS), *(f"if {condition}," for condition in conditions))
    assert [pattern for pattern in wanted if not re.search(pattern, asked)] == []


def test_no_novel_pair_is_said():
    texts = ["\n".join(told(index)) for index in range(NUM)]
    assert [text for text in texts if text_novel_pairs(text) or scan(text)] == []
