"""How well each of some outlines explains a spot: it is drawn in the spot's place, as large as the spot's area says.

Beside the five shapes stand *foreign* outlines, which the microworld does not have. A spot that one of them explains
better than every shape does is none of the shapes, however well the nearest shape fits by itself.

Measured on outlines drawn apart from these, sharp or from JPEG of quality 95: triangles turned by 30 degrees and more,
diamonds and squares turned by 15 and more, pentagons, hexagons, stars, slanting crosses, halves of discs, ellipses and
rectangles of 1.35 to 1 and more are refused in at least 93 of 100 cases at the large size; at the small one of 6 px
pentagons are in 88 and hexagons in 60, the others as often as large ones.

Still taken for a circle: polygons of seven and more corners, ellipses up to 1.2 to 1; blurred (by 1/46 of the side)
also pentagons and hexagons, and small diamonds and stars. Still taken for a square: squares turned by 10 degrees or
with round corners; blurred also small slanting crosses. Crosses with thin arms are taken for crosses.

Letters: F frames, H, W height and width in pixels, K spots, Q outlines, S side of a window in pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial, reduce

import numpy as np

from anyany.microworld.drawing import MASS_BELOW, coverage, measure_of
from anyany.microworld.scenes import SHAPES

Cover = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of each pixel at x, y, by an outline of a diameter
_BLURS = (1, 2, 4)  # times that a drawing is blurred by (1, 2, 1) / 4: standard deviations of 0.7, 1.0 and 1.4 px


@dataclass(frozen=True)
class Outline:
    """``mass_below`` is how far the centre of mass lies below the middle, over the diameter."""

    cover: Cover
    mass_below: float


def polygon(corners: int, turned: float, x: np.ndarray, y: np.ndarray, diameter: np.ndarray) -> np.ndarray:
    """Cover by the regular polygon inscribed in the circle of this diameter, one corner at ``turned`` degrees.

    Degrees count from the right downwards. All arrays broadcast.
    """
    sides = np.radians(turned) + np.pi * (2 * np.arange(corners) + 1) / corners
    outward = (x * float(np.cos(side)) + y * float(np.sin(side)) for side in sides)
    distance = reduce(np.maximum, outward) - 0.5 * diameter * float(np.cos(np.pi / corners))
    return np.clip(0.5 - distance, 0.0, 1.0)


def stretched(
    shape: str, turned: float, ratio: float, x: np.ndarray, y: np.ndarray, diameter: np.ndarray
) -> np.ndarray:
    """Cover by one of the shapes, ``ratio`` times as long as wide, its length then turned by so many degrees."""
    cos, sin, by = *np.array([np.cos(np.radians(turned)), np.sin(np.radians(turned))], np.float32), ratio**0.5
    return coverage(shape, (x * cos + y * sin) / by, (y * cos - x * sin) * by, diameter)


def frame(x: np.ndarray, y: np.ndarray, diameter: np.ndarray) -> np.ndarray:
    """Cover by a square with a square hole half as wide."""
    return polygon(4, 45, x, y, diameter) - polygon(4, 45, x, y, 0.5 * diameter)


KNOWN = tuple(Outline(partial(coverage, shape), MASS_BELOW[shape]) for shape in SHAPES)
_POLYGONS = (  # corners, degrees of the first; triangles point down, left and right, the first square is a diamond
    *((3, 90), (3, 180), (3, 0), (4, 0), (4, 22.5), (4, 67.5), (5, -90), (5, 90), (5, 0), (5, 180)),
    *((6, 0), (6, 15), (6, 30), (6, 45)),
)
_STRETCHED = (  # shape, degrees, ratio
    *(("circle", turned, 1.5) for turned in (0, 45, 90, 135)),
    *(("ring", turned, 1.5) for turned in (0, 90)),
    *(("square", 0, 1.5), ("square", 90, 1.5), ("cross", 45, 1.0)),
)
FOREIGN = (
    *(Outline(partial(polygon, *values), 0.0) for values in _POLYGONS),
    *(Outline(partial(stretched, *values), 0.0) for values in _STRETCHED),
    Outline(frame, 0.0),
)


@dataclass(frozen=True)
class Fit:
    """K spots taken as each of Q outlines."""

    error_KQ: np.ndarray  # part of the energy of the spot's cover that the drawing leaves unexplained
    diameter_KQ: np.ndarray  # in pixels
    middle_KQ2: np.ndarray  # x, y in pixels

    def __getitem__(self, chosen: np.ndarray | tuple[slice, slice]) -> "Fit":
        return Fit(self.error_KQ[chosen], self.diameter_KQ[chosen], self.middle_KQ2[chosen])


def fit(
    outlines: Sequence[Outline], own_FHW: np.ndarray, labels_FHW: np.ndarray, label_K: np.ndarray, frame_K: np.ndarray,
    mass_K2: np.ndarray, area_K: np.ndarray,
) -> Fit:  # fmt: skip
    """Takes each spot as each outline.

    ``own_FHW`` is each pixel's cover by the colour of the spot whose label it has in ``labels_FHW``; ``label_K``,
    ``frame_K``, ``mass_K2`` and ``area_K`` are the spots' labels, frames, centres of mass and areas.
    """
    side = int(1.5 * measure_of(max(own_FHW.shape[1:])).large) + 4
    corner_K2 = np.round(mass_K2 - side / 2).astype(int)
    cover_KSS, counts_KSS = _cut(own_FHW, labels_FHW, label_K, frame_K, corner_K2, side)
    energy_K = np.maximum(np.square(cover_KSS).sum((1, 2)), 1e-6)
    blurs = [_blur(side, times) for times in _BLURS]
    counts_KSS, errors, diameters, middles = counts_KSS.astype(np.float32), [], [], []
    for outline in outlines:
        diameter_K = np.sqrt(area_K / _unit_area(outline)).astype(np.float32)
        middle_K2 = mass_K2 - outline.mass_below * diameter_K[:, None] * [0, 1]
        from_middle_K2S = ((corner_K2 - middle_K2)[:, :, None] + np.arange(side) + 0.5).astype(np.float32)
        x_K1S, y_KS1 = from_middle_K2S[:, 0, None, :], from_middle_K2S[:, 1, :, None]
        drawn_KSS = outline.cover(x_K1S, y_KS1, diameter_K[:, None, None])
        drawings = [drawn_KSS, *(blur_SS @ (drawn_KSS @ blur_SS) for blur_SS in blurs)]
        missed = [(counts_KSS * (cover_KSS - drawing)).reshape(len(energy_K), side**2) for drawing in drawings]
        left = [np.einsum("kp,kp->k", missed_KP, missed_KP) for missed_KP in missed]
        errors.append(np.min(left, axis=0) / energy_K)
        diameters.append(diameter_K)
        middles.append(middle_K2)
    return Fit(np.stack(errors, axis=1), np.stack(diameters, axis=1), np.stack(middles, axis=1))


@cache
def _unit_area(outline: Outline) -> float:
    """Area of the outline of diameter 1."""
    steps = np.arange(-127.5, 128)
    return float(outline.cover(steps[None, :], steps[:, None], np.array(200.0)).sum() / 200.0**2)


def _cut(
    own_FHW: np.ndarray, labels_FHW: np.ndarray, label_K: np.ndarray, frame_K: np.ndarray, corner_K2: np.ndarray,
    side: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """A window around each spot: its cover, and which pixels count, since another spot's say nothing of this one."""
    _, height, width = own_FHW.shape
    x_KS, y_KS = (corner_K2[:, axis, None] + np.arange(side) for axis in (0, 1))
    inside_KSS = ((x_KS >= 0) & (x_KS < width))[:, None, :] & ((y_KS >= 0) & (y_KS < height))[:, :, None]
    index = (frame_K[:, None, None], np.clip(y_KS, 0, height - 1)[:, :, None], np.clip(x_KS, 0, width - 1)[:, None, :])
    label_KSS = labels_FHW[index]
    is_own_KSS = inside_KSS & (label_KSS == label_K[:, None, None])
    return np.where(is_own_KSS, own_FHW[index], np.float32(0)), inside_KSS & ((label_KSS == 0) | is_own_KSS)


@cache
def _blur(side: int, times: int) -> np.ndarray:
    """The symmetric matrix that blurs along one axis by the kernel (1, 2, 1) / 4, so many times."""
    once_SS = 0.5 * np.eye(side) + 0.25 * np.eye(side, k=1) + 0.25 * np.eye(side, k=-1)
    return np.linalg.matrix_power(once_SS, times).astype(np.float32)
