"""Pictures of scenes show what the scenes say, and the oracle reads it back from them, from JPEG, blurred and noisy.

The renderer is checked with plain counting of connected pixels, not with the oracle.
"""

import colorsys
from itertools import product

import numpy as np
import pytest
import torch
from scipy import ndimage

from anyany.media.pictures import decode_picture, encode_jpeg
from anyany.microworld.drawing import GROUND_GREY, RGB, coverage, measure_of
from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.oracles.pictures import read_picture
from anyany.microworld.pictures import render_picture
from anyany.microworld.scenes import COLORS, PLACES, RELATIONS, SHAPES, SIZES, Group, Picture, Unreadable
from anyany.seeds import rng_of
from tests.microworld.spoiled import (
    GARBAGE,
    OTHER_SHAPES,
    blurred,
    draw_outline,
    noisy,
    percent_right,
    regular,
    to_uint8,
)

STANDARD, HARD = LEVELS["standard"], LEVELS["hard"]
FEW, MANY = 200, 1000
CONDITIONS = {
    "jpeg": (lambda picture, rng: decode_picture(encode_jpeg(picture)), 99.0),
    "coarse jpeg": (lambda picture, rng: decode_picture(encode_jpeg(picture, quality=60)), 95.0),
    "blurred": (blurred, 95.0),
    "noisy": (noisy, 95.0),
}


def boxes_of(picture: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Middle (x, y), width and height, and mean colour of everything bright."""
    bright = picture.max(0).values.numpy() > 100
    labels, count = ndimage.label(bright)
    boxes = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        middle = np.array([columns.start + columns.stop, rows.start + rows.stop]) / 2
        extent = np.array([columns.stop - columns.start, rows.stop - rows.start])
        boxes.append((middle, extent, picture[:, torch.from_numpy(labels == index)].float().mean(1).numpy()))
    assert len(boxes) == count
    return boxes


def test_colors_lie_a_sixth_of_the_circle_apart_and_stand_out():
    hues = [360 * colorsys.rgb_to_hsv(*(channel / 255 for channel in RGB[color]))[0] for color in COLORS]
    assert np.abs(np.array(hues) - np.arange(0, 360, 60)).max() < 15
    lumas = [0.299 * red + 0.587 * green + 0.114 * blue for red, green, blue in RGB.values()]
    assert min(lumas) > max(GROUND_GREY) + 60


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", np.pi * 47**2),
        ("square", 88**2),
        ("triangle", 100 * 92 / 2),
        ("cross", 2 * 100 * 36 - 36**2),
        ("ring", np.pi * (50**2 - 25**2)),
    ],
)
def test_shapes_cover_the_area_that_geometry_says(shape, area):
    steps = np.arange(-79.5, 80)
    cover = coverage(shape, steps[None, :], steps[:, None], np.array(100.0))
    assert cover.sum() == pytest.approx(area, rel=0.01)


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_same_seed_same_picture(level):
    def drawn(seed: int) -> torch.Tensor:
        rng = rng_of("same", level.name, seed)
        return render_picture(sample_scene("image", level, rng), level, rng)

    first, again, other = drawn(1), drawn(1), drawn(2)
    assert first.dtype == torch.uint8
    assert first.shape == (3, level.image_px, level.image_px)
    assert encode_jpeg(first) == encode_jpeg(again)
    assert encode_jpeg(first) != encode_jpeg(other)


def test_every_group_of_the_standard_level_is_drawn_with_its_number_size_and_place(record_property):
    rng = rng_of("every group")
    groups = [Group(*values) for values in product((1, 2, 3, 4), ("red", "cyan"), SHAPES, SIZES, PLACES)]
    record_property("found", f"{len(groups)} groups of the standard level")
    measure = measure_of(32)
    for group in groups:
        boxes = boxes_of(render_picture(Picture((group,)), STANDARD, rng))
        assert len(boxes) == group.number, group
        extent = np.mean([extent.max() for _, extent, _ in boxes])
        assert abs(extent - getattr(measure, group.size)) < 1.6, group
        away_x, away_y = np.mean([middle for middle, _, _ in boxes], axis=0) / 32 - 0.5
        signs = {"left": (-away_x, away_y), "right": (away_x, away_y), "top": (-away_y, away_x)}
        along, across = (signs | {"bottom": (away_y, away_x), "middle": (0.1, away_x)})[group.place]
        if group.place == "middle":
            assert max(abs(away_x), abs(away_y)) < 0.08, group
        else:
            assert along > 0.12, group
            assert abs(across) < along, group


@pytest.mark.parametrize("relation", RELATIONS)
def test_relations_are_between_the_middles_of_the_groups(relation):
    rng = rng_of("relation", relation)
    for numbers in ((1, 1), (3, 4), (6, 1), (1, 6), (2, 5)):
        scene = Picture((Group(numbers[0], "red", "circle"), Group(numbers[1], "blue", "square")), relation)
        boxes = boxes_of(render_picture(scene, HARD, rng))
        red = [middle for middle, _, color in boxes if color[0] > color[2]]
        blue = [middle for middle, _, color in boxes if color[0] < color[2]]
        assert (len(red), len(blue)) == numbers
        right, down = np.mean(blue, axis=0) - np.mean(red, axis=0)
        along = {"left of": right, "right of": -right, "above": down, "below": -down}[relation]
        assert along > 0.12 * 64
        assert along > abs(down if "of" in relation else right)


def test_what_does_not_fit_is_refused():
    rng = rng_of("refused")
    with pytest.raises(ValueError, match="does not fit into 32 px"):
        render_picture(Picture((Group(9, "red", "circle", "large"),)), STANDARD, rng)
    two = (Group(1, "red", "circle", place="left"), Group(1, "blue", "square"))
    with pytest.raises(ValueError, match="leave one of the two unsaid"):
        render_picture(Picture(two, "above"), HARD, rng)


def check_reading(level_name: str, condition: str, num_scenes: int) -> None:
    level, (spoil, least) = LEVELS[level_name], CONDITIONS[condition]
    pairs = []
    for index in range(num_scenes):
        rng = rng_of("reading", level_name, index)
        scene = sample_scene("image", level, rng, novel=index % 4 == 0)
        pairs.append((scene, read_picture(spoil(render_picture(scene, level, rng), rng))))
    right = percent_right(pairs)
    assert set(right) >= set(level.said["image"]) | {"count"}
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


def unreadable_share(kind, side, num):
    rng = rng_of("garbage", kind, side)
    read = [read_picture(GARBAGE[kind](rng, side)) for _ in range(num)]
    assert all(scene.reason for scene in read if isinstance(scene, Unreadable))
    return np.mean([isinstance(scene, Unreadable) for scene in read])


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_unreadable(kind, side):
    assert unreadable_share(kind, side, 30) >= 29 / 30


@pytest.mark.slow
@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("kind", GARBAGE)
def test_much_garbage_is_unreadable(kind, side):
    assert unreadable_share(kind, side, 200) >= 0.99


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize(
    ("condition", "size", "least", "but"),
    [
        ("jpeg", "large", 0.98, ()),
        ("jpeg", "small", 0.98, ("hexagon", "hexagon on a corner")),
        ("blurred", "large", 0.95, ("pentagon", "hexagon", "hexagon on a corner")),
    ],
)
def test_shapes_of_no_microworld_are_refused_as_files_small_or_blurred(condition, size, least, but, side):
    spoil, _ = CONDITIONS[condition]
    for name in OTHER_SHAPES.keys() - set(but):
        rng = rng_of("other shapes", name, condition, size, side)
        read = [read_picture(spoil(draw_outline(OTHER_SHAPES[name], rng, side, size), rng)) for _ in range(50)]
        assert np.mean([isinstance(scene, Unreadable) for scene in read]) >= least, name


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_shapes_drawn_by_others_are_read(condition, side):
    """Drawn from their corners alone, with sharper edges and slightly other proportions than the renderer's."""
    spoil, _ = CONDITIONS[condition]
    for shape, corners_N2 in {"circle": regular(48, 0), "square": regular(4, 45), "triangle": regular(3, -90)}.items():
        for size in SIZES:
            rng = rng_of("drawn by others", shape, size, condition, side)
            read = [read_picture(spoil(draw_outline(corners_N2, rng, side, size), rng)) for _ in range(20)]
            shapes = [{group.shape for group in getattr(scene, "groups", ())} for scene in read]
            assert shapes.count({shape}) >= 19, (shape, size)


def test_one_diamond_among_circles_is_not_counted_as_one_of_them():
    y, x = np.mgrid[:64, :64] + 0.5
    red = np.array(RGB["red"])[:, None, None] - 28.0
    circles = sum(coverage("circle", x - middle, y - 32, np.array(13.0)) for middle in (12, 32))
    last = {
        "circle": coverage("circle", x - 52, y - 32, np.array(13.0)),
        "diamond": np.clip(0.5 - (abs(x - 52) + abs(y - 32) - 6.5) / 2**0.5, 0, 1),
    }
    read = {name: read_picture(to_uint8(28 + red * (circles + cover))) for name, cover in last.items()}
    assert [(group.number, group.shape) for group in read["circle"].groups] == [(3, "circle")]
    assert isinstance(read["diamond"], Unreadable)


def test_reading_tells_what_it_was_not_asked():
    """A scene placed by hand: two red squares of 8 px left of one large blue ring."""
    picture = torch.full((3, 64, 64), 28, dtype=torch.uint8)
    red, blue = (torch.tensor(RGB[color], dtype=torch.uint8)[:, None, None] for color in ("red", "blue"))
    picture[:, 20:28, 8:16] = red
    picture[:, 36:44, 8:16] = red
    y, x = torch.meshgrid(torch.arange(64) - 32, torch.arange(64) - 48, indexing="ij")
    ring = (x**2 + y**2 <= 6.5**2) & (x**2 + y**2 >= 3.3**2)
    picture = torch.where(ring, blue, picture)
    squares = Group(2, "red", "square", "small", "left")
    assert read_picture(picture) == Picture((squares, Group(1, "blue", "ring", "large", "right")), "left of")
