"""Clips of scenes show what the scenes say, and the oracle reads it back from them, from H.264, blurred and noisy.

The renderer is checked with plain sums over bright pixels, not with the oracle.
"""

from itertools import product

import numpy as np
import pytest
import torch

from anyany.media.clips import decode_clip, encode_mp4
from anyany.microworld.clips import render_clip
from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.oracles.clips import read_clip
from anyany.microworld.pictures import render_picture
from anyany.microworld.scenes import DIRECTIONS, MOTIONS, SHAPES, SPEEDS, Clip, Group, Picture, Unreadable
from anyany.seeds import rng_of
from tests.microworld.spoiled import GARBAGE, blurred, noisy, percent_right

STANDARD, HARD = LEVELS["standard"], LEVELS["hard"]
FEW, MANY = 200, 1000
CONDITIONS = {
    "h264": (lambda frames, rng: decode_clip(encode_mp4(frames, 4), len(frames)), 99.0),
    "blurred": (blurred, 95.0),
    "noisy": (noisy, 95.0),
}


def bright(frames: torch.Tensor, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """Area of what has more of a channel than of the next, in pixels, and its mean (x, y): [F] and [F, 2]."""
    excess = (frames[:, channel].int() - frames[:, (channel + 1) % 3].int()).numpy()
    cover = np.where(excess > 25, excess / max(1, excess.max()), 0)
    area = cover.sum((1, 2))
    y, x = np.mgrid[: cover.shape[1], : cover.shape[2]]
    sums = np.stack([(cover * x).sum((1, 2)), (cover * y).sum((1, 2))], axis=1)
    return area, sums / np.maximum(area, 1)[:, None]


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_same_seed_same_clip(level):
    def drawn(seed: int) -> torch.Tensor:
        rng = rng_of("same", level.name, seed)
        return render_clip(sample_scene("video", level, rng), level, rng)

    first, again, other = drawn(1), drawn(1), drawn(2)
    assert first.dtype == torch.uint8
    assert first.shape == (level.num_frames, 3, level.image_px, level.image_px)
    assert encode_mp4(first, 4) == encode_mp4(again, 4)
    assert encode_mp4(first, 4) != encode_mp4(other, 4)


def test_every_group_of_the_standard_level_moves_as_said(record_property):
    rng = rng_of("moves")
    toward = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
    groups = [Group(number, "red", shape, motion=motion) for number, shape, motion in product((1, 2), SHAPES, MOTIONS)]
    groups += [
        Group(number, "red", shape, motion=motion, speed=speed)
        for number, shape, motion, speed in product((1, 2), SHAPES, DIRECTIONS, SPEEDS)
    ]
    record_property("found", f"{len(groups)} moving groups of the standard level")
    for group in groups:
        area_F, middle_F2 = bright(render_clip(Clip((group,)), STANDARD, rng), channel=0)
        way = middle_F2[-1] - middle_F2[0]
        if group.motion in DIRECTIONS:
            along = float(way @ toward[group.motion])
            assert np.abs(way - along * np.array(toward[group.motion])).max() < 1, group
            ways = {"slow": (3.8, 7.1), "fast": (10.5, 14.5), None: (3.8, 14.5)}[group.speed]
            assert ways[0] < along < ways[1], group
            assert area_F.min() > 0.7 * area_F.max(), group
        elif group.motion in ("grow", "shrink"):
            last_over_first = area_F[-1] / area_F[0]
            ratio = last_over_first if group.motion == "grow" else 1 / last_over_first
            assert 1.5 < ratio < 5, group
            assert np.abs(way).max() < 1, group
        else:
            seen_F = area_F > 0 if group.motion == "appear" else (area_F > 0)[::-1]
            assert not seen_F[:2].any(), group
            assert seen_F[-2:].all(), group
            assert np.count_nonzero(np.diff(seen_F.astype(int))) == 1, group


def test_the_second_group_moves_after_the_first_and_both_stand_still_otherwise():
    rng = rng_of("order")
    scene = Clip((Group(2, "red", "circle", motion="left"), Group(1, "blue", "square", motion="up")))
    frames = render_clip(scene, HARD, rng)
    (_, red_F2), (_, blue_F2) = bright(frames, channel=0), bright(frames, channel=2)
    assert np.ptp(red_F2[7:], axis=0).max() == 0
    assert np.ptp(blue_F2[:9], axis=0).max() == 0
    assert red_F2[7, 0] < red_F2[0, 0] - 6
    assert blue_F2[15, 1] < blue_F2[8, 1] - 6


def test_a_group_that_appears_second_is_absent_before_and_one_that_vanishes_first_stays_away():
    rng = rng_of("absent")
    scene = Clip((Group(1, "red", "circle", motion="vanish"), Group(2, "blue", "square", motion="appear")))
    frames = render_clip(scene, HARD, rng)
    (red_F, _), (blue_F, _) = bright(frames, channel=0), bright(frames, channel=2)
    assert red_F[0] > 0
    assert red_F[7:].max() == 0
    assert blue_F[:9].max() == 0
    assert blue_F[-1] > 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit into 32 px"):
        render_clip(Clip((Group(7, "red", "circle", motion="grow"),)), STANDARD, rng_of("refused"))


def check_reading(level_name: str, condition: str, num_scenes: int) -> None:
    level, (spoil, least) = LEVELS[level_name], CONDITIONS[condition]
    pairs = []
    for index in range(num_scenes):
        rng = rng_of("reading", level_name, index)
        scene = sample_scene("video", level, rng, novel=index % 4 == 0)
        pairs.append((scene, read_clip(spoil(render_clip(scene, level, rng), rng))))
    right = percent_right(pairs)
    assert set(right) >= set(level.said["video"]) | {"count"}
    assert min(right.values()) >= least, right


@pytest.mark.parametrize("level_name", LEVELS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_reading(level_name, condition):
    check_reading(level_name, condition, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("level_name", LEVELS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_reading_of_many(level_name, condition):
    check_reading(level_name, condition, MANY)


STILL = pytest.mark.parametrize("is_still", [True, False], ids=["the same in all frames", "another in each frame"])


def unreadable_share(kind, is_still, num):
    rng = rng_of("garbage clips", kind, is_still)
    unreadable = 0
    for _ in range(num):
        frames = [GARBAGE[kind](rng, 32) for _ in range(1 if is_still else 8)]
        unreadable += isinstance(read_clip(torch.stack(frames * (8 // len(frames)))), Unreadable)
    return unreadable / num


@STILL
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_unreadable(kind, is_still):
    assert unreadable_share(kind, is_still, 30) >= 29 / 30


@pytest.mark.slow
@STILL
@pytest.mark.parametrize("kind", GARBAGE)
def test_much_garbage_is_unreadable(kind, is_still):
    assert unreadable_share(kind, is_still, 200) >= 0.99


def shuffled(level_name: str, rng: np.random.Generator) -> torch.Tensor:
    level = LEVELS[level_name]
    while True:
        scene = sample_scene("video", level, rng)
        if all(group.motion not in ("appear", "vanish") for group in scene.groups):
            return render_clip(scene, level, rng)[torch.from_numpy(rng.permutation(level.num_frames))]


def unrelated_pictures(level_name: str, rng: np.random.Generator) -> torch.Tensor:
    level = LEVELS[level_name]
    pictures = [render_picture(sample_scene("image", level, rng), level, rng) for _ in range(level.num_frames)]
    return torch.stack(pictures)


def frames_of_other_clips(level_name: str, rng: np.random.Generator) -> torch.Tensor:
    level = LEVELS[level_name]
    clips = [render_clip(sample_scene("video", level, rng), level, rng) for _ in range(level.num_frames)]
    return torch.stack([frames[index] for index, frames in enumerate(clips)])


def one_scene_drawn_anew(level_name: str, rng: np.random.Generator) -> torch.Tensor:
    level = LEVELS[level_name]
    scene = sample_scene("video", level, rng)
    return torch.stack([render_clip(scene, level, rng)[index] for index in range(level.num_frames)])


@pytest.mark.parametrize("level_name", LEVELS)
@pytest.mark.parametrize("draw", [shuffled, unrelated_pictures, frames_of_other_clips, one_scene_drawn_anew])
def test_frames_that_do_not_follow_each_other_are_unreadable(draw, level_name):
    rng = rng_of("do not follow", draw.__name__, level_name)
    read = [read_clip(draw(level_name, rng)) for _ in range(40)]
    assert sum(isinstance(scene, Unreadable) for scene in read) >= 39


@pytest.mark.parametrize(
    ("motion", "order", "reason"),
    [
        ("right", (0, 0, 0, 0, 7, 7, 7, 7), "jumps"),
        ("grow", (0, 0, 0, 0, 7, 7, 7, 7), "jumps"),
        ("right", (0, 2, 4, 6, 6, 4, 2, 0), "to and fro"),
        ("grow", (0, 2, 4, 6, 6, 4, 2, 0), "to and fro"),
        ("appear", (0, 7, 0, 7, 0, 7, 0, 7), "another number in 4 of 8"),
        ("appear", (0, 0, 7, 7, 7, 7, 0, 0), "another number in 2 of 8"),
    ],
)
def test_disorder_is_named(motion, order, reason):
    speed = "fast" if motion in DIRECTIONS else None
    frames = render_clip(Clip((Group(1, "red", "circle", motion=motion, speed=speed),)), STANDARD, rng_of("disorder"))
    assert not isinstance(read_clip(frames), Unreadable)
    assert reason in read_clip(frames[list(order)]).reason


def test_a_number_that_changes_midway_is_unreadable():
    rng = rng_of("number")
    one, two = (render_picture(Picture((Group(n, "red", "ring", "small", "middle"),)), STANDARD, rng) for n in (1, 2))
    assert "another number in 4 of 8" in read_clip(torch.stack([one] * 4 + [two] * 4)).reason


@pytest.mark.parametrize("motions", [("right", "left"), ("up", "down"), ("grow", "shrink"), ("appear", "vanish")])
def test_a_clip_shown_backwards_shows_the_opposite(motions):
    for forth, back in (motions, motions[::-1]):
        frames = render_clip(Clip((Group(2, "cyan", "square", motion=forth),)), STANDARD, rng_of("back", forth))
        assert read_clip(frames).groups[0].motion == forth
        assert read_clip(frames.flip(0)).groups[0].motion == back


def test_a_still_picture_is_read_without_motion():
    scene = Picture((Group(2, "green", "circle", "large", "top"),))
    picture = render_picture(scene, STANDARD, rng_of("still"))
    assert read_clip(picture.expand(8, -1, -1, -1)) == Clip(scene.groups)


def test_one_frame_and_no_shapes_are_unreadable():
    rng = rng_of("one frame")
    frames = render_clip(Clip((Group(1, "red", "ring", motion="grow"),)), STANDARD, rng)
    assert isinstance(read_clip(frames[:1]), Unreadable)
    assert isinstance(read_clip(torch.full((8, 3, 32, 32), 25, dtype=torch.uint8)), Unreadable)


def test_reading_forgives_a_frame_without_the_group():
    rng = rng_of("flicker")
    frames = render_clip(Clip((Group(2, "cyan", "square", motion="right", speed="fast"),)), STANDARD, rng)
    frames[3] = 25
    (group,) = read_clip(frames).groups
    assert (group.number, group.motion, group.speed) == (2, "right", "fast")
