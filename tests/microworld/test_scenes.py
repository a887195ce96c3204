import json
from itertools import pairwise

import pytest

from anyany.microworld.levels import LEVELS, NOVEL_PAIRS, all_things, novel_pairs, sample_scene
from anyany.microworld.scenes import (
    COLORS,
    DIRECTIONS,
    SCENES,
    Beeps,
    Clip,
    Group,
    Picture,
    Sound,
    Unreadable,
    attributes,
    compare,
    from_json,
    to_json,
)
from anyany.seeds import rng_of

EVERY = [(level, modality) for level in LEVELS for modality in SCENES]
# Counted by hand: 3 numbers x 6 colors x 5 shapes, and so on; directions have two speeds, other motions none.
NUM_THINGS = {
    ("easy", "image"): 3 * 6 * 5,
    ("easy", "video"): 6 * 5 * 8,
    ("easy", "audio"): 3 * 4 * 3,
    ("standard", "image"): 4 * 6 * 5 * 2 * 5,
    ("standard", "video"): 2 * 6 * 5 * (4 * 2 + 4),
    ("standard", "audio"): 4 * 4 * 3 * 2 * 3,
    ("hard", "image"): 6 * 6 * 5,
    ("hard", "video"): 2 * 6 * 5 * 8,
    ("hard", "audio"): 6 * 4 * 3 * 3,
}
RED, BLUE = Group(2, "red", "circle"), Group(1, "blue", "square")


def draws(level, modality, number, novel=False):
    return [sample_scene(modality, LEVELS[level], rng_of("scenes", level, modality, i), novel) for i in range(number)]


@pytest.mark.parametrize(("level", "modality"), EVERY)
def test_a_level_says_as_many_things_as_its_values_multiply_to(level, modality):
    assert len(set(all_things(modality, LEVELS[level]))) == NUM_THINGS[level, modality]


@pytest.mark.parametrize(("level", "modality"), EVERY)
def test_draws_keep_to_the_level_and_reach_every_value(level, modality):
    spec = LEVELS[level]
    scenes = draws(level, modality, 500)
    seen = {name: {getattr(thing, name) for scene in scenes for thing in scene.things} for name in spec.said[modality]}
    for name, values in spec.said[modality].items():
        assert seen[name] - {None} == set(values)
    for scene in scenes:
        assert len(scene.things) == spec.num_things
        assert sum(thing.number for thing in scene.things) <= spec.max_number
        for one, other in pairwise(scene.things):
            apart = ("timbre",) if modality == "audio" else ("color", "shape")
            assert all(getattr(one, name) != getattr(other, name) for name in apart)


@pytest.mark.parametrize("level", LEVELS)
def test_only_directions_have_a_speed(level):
    for scene in draws(level, "video", 300):
        for group in scene.things:
            speaks = "speed" in LEVELS[level].said["video"] and group.motion in DIRECTIONS
            assert (group.speed is not None) == speaks


@pytest.mark.parametrize(("level", "modality"), EVERY)
def test_novel_pairs_are_never_in_train_and_always_in_novel_scenes(level, modality):
    assert not any(map(novel_pairs, draws(level, modality, 300)))
    novel = draws(level, modality, 300, novel=True)
    assert all(map(novel_pairs, novel))
    possible = {p for p in NOVEL_PAIRS if any(p.is_in(thing) for thing in all_things(modality, LEVELS[level]))}
    assert {pair for scene in novel for pair in novel_pairs(scene)} == possible


def test_each_value_of_a_novel_pair_is_common_by_itself():
    scenes = [scene for modality in SCENES for scene in draws("easy", modality, 500)]
    for pair in NOVEL_PAIRS:
        for name, value in (pair.first, pair.second):
            assert sum(getattr(thing, name, None) == value for scene in scenes for thing in scene.things) >= 20


def test_the_same_seed_gives_the_same_scene_and_another_seed_others():
    one, again = draws("hard", "image", 20), draws("hard", "image", 20)
    assert one == again
    assert len(set(one)) >= 19


@pytest.mark.parametrize(("level", "modality"), EVERY)
def test_json_gives_the_scene_back(level, modality):
    for scene in draws(level, modality, 100):
        assert from_json(json.loads(json.dumps(to_json(scene)))) == scene


def test_json_leaves_out_what_is_unsaid():
    assert to_json(Picture((RED,))) == {
        "modality": "image",
        "things": [{"number": 2, "color": "red", "shape": "circle"}],
    }


def test_attributes_are_counted_and_named_by_their_thing():
    assert attributes(Picture((RED,))) == {"number": 2, "color": "red", "shape": "circle"}
    two = attributes(Picture((RED, BLUE), "above"))
    assert len(two) == 7
    assert (two["0.color"], two["1.color"], two["relation"]) == ("red", "blue", "above")
    assert len(attributes(Sound((Beeps(1, "tone", "high", "long", "flat"),)))) == 5


@pytest.mark.parametrize(
    ("wanted", "read", "wrong"),
    [
        (Picture((RED,)), Picture((RED,)), set()),
        (Picture((RED,)), Picture((Group(3, "red", "circle", size="small"),)), {"number"}),
        (Picture((RED,)), Picture((RED, BLUE)), {"count"}),
        (Picture((RED,)), Picture((BLUE, RED), "above"), {"count"}),
        (Picture((RED, BLUE), "above"), Picture((BLUE,)), {"0.number", "0.color", "0.shape", "relation", "count"}),
        (Clip((RED,)), Clip((BLUE, RED)), {"number", "color", "shape", "count"}),
        (Picture((RED,)), Unreadable("blank"), {"number", "color", "shape", "count"}),
        (Picture((RED,)), Clip((RED,)), {"number", "color", "shape", "count"}),
        (Picture((RED, BLUE), "above"), Picture((BLUE, RED), "below"), set()),
        (Picture((RED, BLUE), "above"), Picture((BLUE, RED), "above"), {"relation"}),
        (Picture((RED, BLUE), "left of"), Picture((RED, Group(1, "green", "square")), "left of"), {"1.color"}),
        (Clip((RED, BLUE)), Clip((BLUE, RED)), {f"{i}.{n}" for i in (0, 1) for n in ("number", "color", "shape")}),
        (Sound((Beeps(2, "buzz", "low"),)), Sound((Beeps(2, "hiss", "low"),)), {"timbre"}),
    ],
)
def test_compare_finds_exactly_what_is_wrong(wanted, read, wrong):
    found = compare(wanted, read)
    assert {name for name, right in found.items() if not right} == wrong
    assert set(found) == {*attributes(wanted), "count"}


def test_no_color_is_without_a_shape_that_it_may_have():
    pairs = {(pair.first[1], pair.second[1]) for pair in NOVEL_PAIRS}
    assert all(sum((color, shape) in pairs for shape in ("circle", "square", "ring")) < 2 for color in COLORS)
