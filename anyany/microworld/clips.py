"""Clips of scenes: groups of shapes that move, grow, shrink, appear or vanish, one group after the other.

Letters: F frames, N shapes of one group, K shapes of one group in all frames, P side of a frame in pixels.
Lengths are in pixels, x to the right and y downwards.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from anyany.microworld.drawing import ground, measure_of, paint, rgb_of, to_uint8
from anyany.microworld.levels import Level
from anyany.microworld.pictures import Cluster, are_apart, draw_cluster, draw_diameter, draw_middle
from anyany.microworld.scenes import DIRECTIONS, SPEEDS, Clip, Group

TOWARD = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
TRAVEL = {"slow": (0.15, 0.19), "fast": (0.36, 0.42)}  # way of a whole motion, as a fraction of the frame's side
CHANGE_AT = (0.3, 0.7)  # the part of its motion at which a group appears or vanishes
_DRAWS = 1000


@dataclass(frozen=True)
class Course:
    """What a group does: where it lies, how it grows and how far it goes, and when it is to be seen."""

    cluster: Cluster  # at its largest
    middle_2: np.ndarray  # at the start
    way_2: np.ndarray  # from start to end
    growth: tuple[float, float]  # diameter at the start and at the end, over the cluster's
    seen: tuple[float, float]  # part of its motion from which and up to which it is seen

    @property
    def box_22(self) -> np.ndarray:
        """The box around all that the group ever covers."""
        start_22 = self.middle_2 + self.cluster.reach_22
        end_22 = start_22 + self.way_2
        return np.stack([np.minimum(start_22[0], end_22[0]), np.maximum(start_22[1], end_22[1])])


def _draw_course(group: Group, side: int, rng: np.random.Generator) -> Course | None:
    """A course for the group alone, or None where this draw found no room."""
    measure = measure_of(side)
    growth, seen, way_2 = (1.0, 1.0), (-np.inf, np.inf), np.zeros(2)
    if group.motion in ("grow", "shrink"):
        diameter = draw_diameter("large", measure, rng)
        ratio = draw_diameter("small", measure, rng) / diameter
        growth = (ratio, 1.0) if group.motion == "grow" else (1.0, ratio)
    else:
        diameter = draw_diameter(group.size, measure, rng)
    if group.motion in DIRECTIONS:
        speed = group.speed or SPEEDS[rng.integers(len(SPEEDS))]
        way_2 = side * rng.uniform(*TRAVEL[speed]) * np.array(TOWARD[group.motion])
    elif group.motion in ("appear", "vanish"):
        change = rng.uniform(*CHANGE_AT)
        seen = (change, np.inf) if group.motion == "appear" else (-np.inf, change)
    cluster = draw_cluster(group.number, diameter, measure.gap, rng)
    reach_22 = cluster.reach_22 + np.stack([np.minimum(way_2, 0), np.maximum(way_2, 0)])
    middle_2 = draw_middle(reach_22, group.place, side, rng)
    return None if middle_2 is None else Course(cluster, middle_2, way_2, growth, seen)


def _draw_courses(scene: Clip, side: int, rng: np.random.Generator) -> list[Course]:
    """A course for each group, such that no two ever come near each other."""
    gap = measure_of(side).gap
    for _ in range(_DRAWS):
        drawn = [_draw_course(group, side, rng) for group in scene.groups]
        courses = [course for course in drawn if course is not None]
        if len(courses) == len(drawn) and are_apart([course.box_22 for course in courses], gap):
            return courses
    raise ValueError(f"{scene} does not fit into {side} px; say fewer or smaller shapes, or use a larger picture")


def _paint_course(
    canvas_FPP3: np.ndarray, group: Group, course: Course, progress_F: np.ndarray, rng: np.random.Generator
) -> None:
    """Paints a group into every frame in which it is seen, in place."""
    first, last = course.growth
    diameters_F = course.cluster.diameter * (first + (last - first) * progress_F)
    middles_F2 = course.middle_2 + progress_F[:, None] * course.way_2
    middles_FN2 = middles_F2[:, None] + course.cluster.offsets_N2
    frames = np.flatnonzero((progress_F >= course.seen[0]) & (progress_F < course.seen[1]))
    paint(
        canvas_FPP3,
        group,
        np.repeat(frames, group.number),
        middles_FN2[frames].reshape(-1, 2),
        np.repeat(diameters_F[frames], group.number),
        rgb_of(group, rng),
    )


def render_clip(scene: Clip, level: Level, rng: np.random.Generator) -> Tensor:
    """The scene as uint8 [F, 3, P, P], F and P as the level says; what it leaves unsaid is drawn from ``rng``.

    The place of a group is that at its start. The frames are shared out equally among the groups: each moves in its own
    part, and stands still before and after.
    """
    side, num_frames, num_groups = level.image_px, level.num_frames, len(scene.groups)
    courses = _draw_courses(scene, side, rng)
    canvas_FPP3 = ground(side, num_frames, rng)
    part = num_frames / num_groups
    for index, (group, course) in enumerate(zip(scene.groups, courses, strict=True)):
        progress_F = np.clip((np.arange(num_frames) - index * part) / (part - 1), 0.0, 1.0)
        _paint_course(canvas_FPP3, group, course, progress_F, rng)
    return to_uint8(canvas_FPP3)
