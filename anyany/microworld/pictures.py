"""Pictures of scenes: groups of flat shapes on a dark, almost plain ground, with soft edges.

Letters: N shapes of one group, G groups, P side of the picture in pixels; a box or a reach [2, 2] is (left, top),
(right, bottom). Lengths are in pixels, x to the right and y downwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from torch import Tensor

from anyany.microworld.drawing import Measure, ground, measure_of, paint, rgb_of, to_uint8
from anyany.microworld.levels import Level
from anyany.microworld.scenes import SIZES, Picture

SIDE_FROM, MIDDLE_TO = 0.14, 0.05  # distance of a group's middle from the picture's, as a fraction of P
SIDE_ACROSS = 0.6  # of a place or relation: how far off its axis, as a fraction of the distance along it
BORDER_PX = 0.5
_DRAWS = 1000


@dataclass(frozen=True)
class Cluster:
    """Where the shapes of a group lie, relative to the mean of their middles, and how large they are."""

    offsets_N2: np.ndarray
    diameter: float

    @property
    def reach_22(self) -> np.ndarray:
        """How far the cluster extends from its middle: [[left, top], [right, bottom]]; the first two are negative."""
        return np.stack([self.offsets_N2.min(0) - self.diameter / 2, self.offsets_N2.max(0) + self.diameter / 2])


def draw_cluster(number: int, diameter: float, gap: float, rng: np.random.Generator) -> Cluster:
    """Shapes in rows or columns of which one may be shorter, with random room between them."""
    slack = 0.5 * (diameter + gap) * rng.random() ** 2
    pitch = diameter + gap + slack
    columns = int(rng.integers(1, number + 1))
    index = np.arange(number)
    offsets_N2 = np.stack([index % columns, index // columns], axis=1) * pitch
    offsets_N2 += rng.uniform(-slack / 2, slack / 2, (number, 2))
    if columns > 1 and number % columns:
        offsets_N2[number - number % columns :, 0] += rng.integers(columns - number % columns + 1) * pitch
    offsets_N2 = (offsets_N2 - offsets_N2.mean(0)) * (2 * rng.integers(0, 2, 2) - 1)
    return Cluster(offsets_N2[:, ::-1] if rng.integers(2) else offsets_N2, diameter)


def draw_diameter(size: str | None, measure: Measure, rng: np.random.Generator) -> float:
    """The diameter of a size, or of one chosen freely, with a slight variation."""
    size = size or SIZES[rng.integers(len(SIZES))]
    return getattr(measure, size) * rng.uniform(0.97, 1.03)


def draw_middle(reach_22: np.ndarray, place: str | None, side: int, rng: np.random.Generator) -> np.ndarray | None:
    """A middle [2] at this place for a group that extends so far from it, or None where this draw found no room."""
    low_2, high_2 = BORDER_PX - reach_22[0], side - BORDER_PX - reach_22[1]
    low_2, high_2 = np.maximum(low_2, _zone(place)[0] * side), np.minimum(high_2, _zone(place)[1] * side)
    if (low_2 > high_2).any():
        return None
    middle_2 = rng.uniform(low_2, high_2)
    away_x, away_y = np.abs(middle_2 / side - 0.5)
    if place in ("left", "right", "top", "bottom"):
        along, across = (away_x, away_y) if place in ("left", "right") else (away_y, away_x)
        return middle_2 if across <= SIDE_ACROSS * along else None
    return middle_2


def _zone(place: str | None) -> tuple[np.ndarray, np.ndarray]:
    """The box of a place, as fractions of the picture: (left, top), (right, bottom)."""
    low_2, high_2 = np.zeros(2), np.ones(2)
    if place == "middle":
        low_2, high_2 = low_2 + 0.5 - MIDDLE_TO, low_2 + 0.5 + MIDDLE_TO
    elif place in ("left", "top"):
        high_2[("left", "top").index(place)] = 0.5 - SIDE_FROM
    elif place is not None:
        low_2[("right", "bottom").index(place)] = 0.5 + SIDE_FROM
    return low_2, high_2


def are_apart(boxes: Sequence[np.ndarray], gap: float) -> bool:
    """Whether all boxes [2, 2] leave at least this gap between each other."""
    return all((np.maximum(a[0] - b[1], b[0] - a[1]) >= gap).any() for a, b in combinations(boxes, 2))


def _draw_related(
    relation: str, reaches: Sequence[np.ndarray], side: int, gap: float, rng: np.random.Generator
) -> list[np.ndarray | None]:
    """Middles of two groups of which the first clearly has the relation to the second; None where there is no room."""
    along = 0 if relation in ("left of", "right of") else 1
    first, second = (0, 1) if relation in ("left of", "above") else (1, 0)
    lows_G2 = np.stack([BORDER_PX - reach_22[0] for reach_22 in reaches])
    highs_G2 = np.stack([side - BORDER_PX - reach_22[1] for reach_22 in reaches])
    apart = max(SIDE_FROM * side, reaches[first][1, along] + gap - reaches[second][0, along])
    room = highs_G2[second, along] - lows_G2[first, along] - apart
    if room < 0 or (lows_G2 > highs_G2).any():
        return [None, None]
    middles_G2 = rng.uniform(lows_G2, highs_G2)
    before, after = np.sort(rng.uniform(0, room, 2))
    middles_G2[first, along] = lows_G2[first, along] + before
    middles_G2[second, along] = lows_G2[first, along] + after + apart
    across = abs(middles_G2[0, 1 - along] - middles_G2[1, 1 - along])
    return list(middles_G2) if across <= SIDE_ACROSS * (after - before + apart) else [None, None]


def _arrange(scene: Picture, side: int, rng: np.random.Generator) -> list[tuple[Cluster, np.ndarray]]:
    """A cluster and its middle for each group: drawn until all fit."""
    if scene.relation is not None and (len(scene.groups) != 2 or any(group.place for group in scene.groups)):
        raise ValueError(f"{scene}: a relation is said of two groups without a place; leave one of the two unsaid")
    measure = measure_of(side)
    for _ in range(_DRAWS):
        clusters = [draw_cluster(g.number, draw_diameter(g.size, measure, rng), measure.gap, rng) for g in scene.groups]
        reaches = [cluster.reach_22 for cluster in clusters]
        if scene.relation is None:
            drawn = [draw_middle(r, g.place, side, rng) for r, g in zip(reaches, scene.groups, strict=True)]
        else:
            drawn = _draw_related(scene.relation, reaches, side, measure.gap, rng)
        middles = [middle_2 for middle_2 in drawn if middle_2 is not None]
        boxes = [middle_2 + reach_22 for middle_2, reach_22 in zip(middles, reaches, strict=False)]
        if len(middles) == len(clusters) and are_apart(boxes, measure.gap):
            return list(zip(clusters, middles, strict=True))
    raise ValueError(f"{scene} does not fit into {side} px; say fewer or smaller shapes, or use a larger picture")


def render_picture(scene: Picture, level: Level, rng: np.random.Generator) -> Tensor:
    """The scene as uint8 [3, P, P] with P = ``level.image_px``; what it leaves unsaid is drawn from ``rng``.

    The place of a group is where the mean of its shapes' middles lies; a relation is one between these means.
    """
    side = level.image_px
    arranged = _arrange(scene, side, rng)
    canvas_1PP3 = ground(side, 1, rng)
    for group, (cluster, middle_2) in zip(scene.groups, arranged, strict=True):
        frames_N = np.zeros(group.number, dtype=int)
        diameters_N = np.full(group.number, cluster.diameter)
        paint(canvas_1PP3, group, frames_N, middle_2 + cluster.offsets_N2, diameters_N, rgb_of(group, rng))
    return to_uint8(canvas_1PP3)[0]
