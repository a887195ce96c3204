import re
from collections import Counter, defaultdict
from dataclasses import asdict, replace
from functools import cache

import pytest

from anyany.microworld.captions import noun
from anyany.microworld.levels import LEVELS, NOVEL_PAIRS, novel_pairs, sample_scene
from anyany.microworld.oracles.answers import read_values
from anyany.microworld.questions import VALUES
from anyany.microworld.scenes import SCENES, Beeps, Clip, Group, Picture, Sound
from anyany.microworld.wishes import Case, Count, Keep, rebuilt
from anyany.microworld.wishing import dependent, fits
from anyany.seeds import rng_of

PAIRS = [(source, wanted) for source in SCENES for wanted in SCENES]
LOOKS = ("number", "color", "shape")
RED = Picture((Group(3, "red", "circle"),))
HIGH = Sound((Beeps(1, "chirp", "high"),))
UP = Clip((Group(1, "green", "square", motion="up"),))


@cache
def wishes(level, shown, wanted, number):
    """Sources, and a wish that was drawn beside each."""
    found = []
    for index in range(number):
        rng = rng_of("wishes", level, shown, wanted, index)
        source = sample_scene(shown, LEVELS[level], rng)
        found.append((source, dependent(source, wanted, LEVELS[level], rng, False)[0]))
    return found


def variations(scene):
    """The scenes that differ from this one in one value of one thing (or in how fast it goes where)."""
    for index, thing in enumerate(scene.things):
        said = [{name: value} for name, values in VALUES.items() for value in values if getattr(thing, name, None)]
        if scene.modality == "video":
            said += [{"motion": "left", "speed": speed} for speed in VALUES["speed"]]
        for change in said:
            changed = replace(thing, **change)
            yield rebuilt(scene, *(changed if i == index else other for i, other in enumerate(scene.things)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("modality", SCENES)
def test_fits_tells_scenes_of_a_level_from_others(level, modality):
    for index in range(100):
        scene = sample_scene(modality, LEVELS[level], rng_of("fits", index), novel=index % 2 == 0)
        assert fits(scene, LEVELS[level])
        fitting = {name for name in LEVELS if fits(scene, LEVELS[name])}
        assert level in fitting
        assert fitting == {level} or (modality == "video" and level != "hard")  # a growing shape fits two levels
    assert not fits(rebuilt(scene, *scene.things, *scene.things), LEVELS[level])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("shown", "wanted"), PAIRS)
def test_one_request_wants_different_things_beside_different_media(level, shown, wanted):
    """The text does not determine the wish: beside another source the same words want something else."""
    kinds = set()
    for index in range(40):
        rng = rng_of("depends", level, shown, wanted, index)
        source = sample_scene(shown, LEVELS[level], rng)
        wish, _ = dependent(source, wanted, LEVELS[level], rng, False)
        kinds.add(type(wish))
        text = wish.ask(source, rng_of(index))
        granted = {wish.grant(other) for other in variations(source) if wish.ask(other, rng_of(index)) == text}
        assert granted - {wish.grant(source)}, text
    assert Case in kinds


NOVEL = {(*pair.first, *pair.second) for pair in NOVEL_PAIRS}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("shown", "wanted"), PAIRS)
def test_no_row_of_a_table_makes_a_novel_pair_of_what_is_shown_or_wanted(level, shown, wanted):
    """A row is put into words beside other values of its thing: ``if the yellow thing is a square``."""
    num_cases = 0
    for source, wish in wishes(level, shown, wanted, 150):
        if isinstance(wish, Case):
            num_cases += 1
            values = [value for _, value in wish.table] + [wish.otherwise]
            ways = [(source.things[wish.index], wish.source_name, value) for value, _ in wish.table]
            for thing, name, value in ways + [(wish.wanted.things[0], wish.name, value) for value in values]:
                said = asdict(thing) | {name: value}
                assert not [pair for pair in NOVEL if said.get(pair[0]) == pair[1] and said.get(pair[2]) == pair[3]]
    assert num_cases >= 10


@pytest.mark.parametrize("level", LEVELS)
def test_each_row_of_a_case_decides_as_often_as_any_other(level, record_property):
    """By design a guess gets 1/2 right where the table has one row, and 1/3 where it has two."""
    decided: dict[tuple, Counter] = defaultdict(Counter)
    for shown, wanted in PAIRS:
        for source, wish in wishes(level, shown, wanted, 250):
            if isinstance(wish, Case):
                outcomes = [value for _, value in wish.table] + [wish.otherwise]
                value = getattr(wish.grant(source).things[0], wish.name)
                for request in ((shown, wish.source_name, wish.table[0][0], len(wish.table)), (len(wish.table),)):
                    decided[request][outcomes.index(value)] += 1
    right = total = 0
    for request, counts in decided.items():
        number, best = sum(counts.values()), max(counts.values())
        limit = 1 / (request[-1] + 1)
        assert best <= limit * number + 4 * (limit * (1 - limit) * number) ** 0.5, (request, counts)
        if len(request) == 1:
            right, total = right + best, total + number
    record_property("found", f"{level}, Case: a guess gets {right / total:.2f} right")
    assert right / total <= 0.49


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shown", SCENES)
def test_a_count_or_what_is_kept_cannot_be_guessed(level, shown, record_property):
    """Of the sources beside which the same words could stand, few want the same.

    By design a guess at a count gets one in as many right as there are numbers, at most 1/2; at what is kept, less:
    what the words leave open is a colour, a shape, a timbre, a pitch or more.
    """
    limits = {Count: 1 / len(LEVELS[level].said[shown]["number"]), Keep: 0.4}
    pool = [sample_scene(shown, LEVELS[level], rng_of("pool", level, shown, i)) for i in range(500)]
    shares: dict[type, list[float]] = defaultdict(list)
    for wanted in SCENES:
        tried = Counter()
        for number, (source, wish) in enumerate(wishes(level, shown, wanted, 150)):
            if isinstance(wish, Case) or tried[type(wish)] == 8:
                continue
            tried[type(wish)] += 1
            text = wish.ask(source, rng_of(number))
            same = [other for other in pool if wish.ask(other, rng_of(number)) == text]
            given = Counter(granted for other in same if is_allowed(granted := wish.grant(other), other, LEVELS[level]))
            if given.total() >= 12:
                shares[type(wish)].append(max(given.values()) / given.total())
                slack = 3 * (0.25 / given.total()) ** 0.5
                assert max(given.values()) / given.total() <= 0.5 + slack, (text, given.most_common(3))
    for kind, found in shares.items():
        mean = sum(found) / len(found)
        record_property("found", f"{level}, {kind.__name__} beside {shown}: a guess gets {mean:.2f} right")
        assert mean <= limits[kind] + 0.08  # the commonest of few draws comes a little too often
    assert shares


def is_allowed(granted, source, level):
    """Whether the wish could have been drawn beside this source: it changes something, and what it grants fits."""
    return granted != source and fits(granted, level) and not novel_pairs(granted)


@pytest.mark.parametrize("level", ["hard"])
def test_counts_of_two_groups_say_where_the_second_stands(level):
    turned = {"left of": "right", "right of": "left", "above": "below them", "below": "above them"}
    relations = set()
    for source, wish in wishes(level, "audio", "image", 200):
        if isinstance(wish, Count):
            text = wish.ask(source, rng_of(0))
            relations.add(wish.wanted.relation)
            second = text.split(", and ")[1]
            assert second.startswith((f"to their {turned[wish.wanted.relation]} ", f"{turned[wish.wanted.relation]} "))
            assert "in the recording, and" in text
    assert relations == set(turned)


def test_what_changes_is_said_after_a_comma_or_with():
    how = {"pitch": "high", "length": "long", "glide": "rising", "timbre": "chirp"}
    source = Sound((Beeps(2, "buzz", "low", "short", "flat"),))
    said = {"at a high pitch", "long", "as chirps", "rising", "going up"}
    for name, value in how.items():
        for index in range(20):
            wish = Keep("audio", ("number", *how), (((name, value),),))
            verb, rest = wish.ask(source, rng_of(index)).split(" ", 1)
            assert verb in ("play", "make")
            assert rest.removeprefix("the same sounds, but ").removesuffix(".") in said


@pytest.mark.parametrize(
    ("wish", "source", "said"),
    [
        (
            Case(HIGH, "pitch", 0, "color", (("red", "low"), ("blue", "middle")), "high"),
            RED,
            r"(a|one) chirp\. If the (circles|shapes) in the (picture|image) are red, it should be low, "
            r"if they are blue, medium, otherwise high\.",
        ),
        (
            Case(RED, "shape", 0, "motion", (("up", "ring"),), "cross"),
            UP,
            r"(three|3) (red shapes|shapes in red)\. If the (square|green shape|shape) in the (clip|video) "
            r"[a-z ]*up[a-z]*, they should be rings, otherwise crosses\.",
        ),
    ],
)
def test_a_condition_is_said_before_what_follows_from_it(wish, source, said):
    for index in range(20):
        assert re.search(said, wish.ask(source, rng_of("said", index)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("shown", "wanted"), PAIRS)
def test_a_decision_names_the_value_that_decides_and_what_follows(level, shown, wanted):
    num_cases = 0
    for index, (source, wish) in enumerate(wishes(level, shown, wanted, 150)):
        decision = wish.decision(source, rng_of("decision", index))
        if not isinstance(wish, Case):
            assert decision == ""
            continue
        num_cases += 1
        is_so, follows = decision.split(": ")
        (granted, *_) = wish.grant(source).things
        for said, name, thing in ((is_so, wish.source_name, source.things[wish.index]), (follows, wish.name, granted)):
            value = getattr(thing, name)
            assert value in read_values(said, name) or value in read_values(f"it {said}", name), decision
    assert num_cases >= 5


@pytest.mark.parametrize(
    ("wish", "source", "wanted"),
    [
        (Count(HIGH), RED, Sound((Beeps(3, "chirp", "high"),))),
        (Count(RED), HIGH, Picture((Group(1, "red", "circle"),))),
        (Case(HIGH, "pitch", 0, "color", (("red", "low"),), "middle"), RED, Sound((Beeps(1, "chirp", "low"),))),
        (Case(HIGH, "pitch", 0, "color", (("blue", "low"),), "middle"), RED, Sound((Beeps(1, "chirp", "middle"),))),
        (Case(RED, "shape", 0, "motion", (("up", "ring"),), "cross"), UP, Picture((Group(3, "red", "ring"),))),
        (
            Keep("image", LOOKS, ((("color", "cyan"),),)),
            RED,
            Picture((Group(3, "cyan", "circle"),)),
        ),
        (
            Keep("video", (*LOOKS, "motion"), ((("number", 1), ("motion", "left")),)),
            RED,
            Clip((Group(1, "red", "circle", motion="left"),)),
        ),
        (Keep("image", LOOKS, ((("number", 2),),)), UP, Picture((Group(2, "green", "square"),))),
    ],
)
def test_wishes_are_granted_by_what_is_seen(wish, source, wanted):
    assert wish.grant(source) == wanted
    assert noun(wanted, rng_of(0))
