"""Reads a clip back into a scene. How shapes are found and told apart: anyany/microworld/oracles/shapes.py.

All spots of one colour, in all frames, are one group; their shape is the one that explains them best together. A group
that is absent at first and present later appears, and the other way round it vanishes. Otherwise the way of its middle
and the ratio of its diameters, from first to last frame, say how it moved: whichever is more, against the least that
such a motion must show. The groups are ordered by when half of this was done.

What is no motion is unreadable: a group that is there in other numbers than one appearing or vanishing explains, that
jumps, or that goes to and fro.

Letters: F frames, K spots, Q shapes.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from anyany.microworld.clips import TOWARD, TRAVEL
from anyany.microworld.drawing import measure_of
from anyany.microworld.oracles.pictures import MAX_GROUPS, place_of, size_of
from anyany.microworld.oracles.shapes import UNKNOWN_MAX, Spots, are_alone, find_spots, shape_of
from anyany.microworld.scenes import COLORS, DIRECTIONS, SHAPES, Clip, Group, Unreadable

FRAMES_MIN = 2  # in which a group must be seen, and which must speak for its having appeared or vanished
MOVED_MIN = 0.5  # of the slowest way, or of the growth from small to large
STRAY_MAX = 1 / 8  # part of the frames in which a group may be there in another number
STEP_MAX = 0.15  # way from one frame to the next, as a fraction of the frame's side; the fastest motion has 0.06
STRAY_WAY_MAX = 0.1  # by how much all steps together may be longer than the way, as a fraction of the frame's side
GROWTH_STEP_MAX, STRAY_GROWTH_MAX = 0.6, 0.8  # the same of the diameter, over the growth from small to large
_BETWEEN_SPEEDS = (TRAVEL["slow"][1] * TRAVEL["fast"][0]) ** 0.5
_ENDS = 2  # frames over which the start and the end are averaged


@dataclass(frozen=True)
class _Track:
    """One group over all frames; middle and diameter hold only where ``is_whole_F``, all its shapes being seen."""

    group: Group  # without size, place and motion
    count_F: np.ndarray
    is_whole_F: np.ndarray
    middle_F2: np.ndarray
    diameter_F: np.ndarray


def read_clip(frames_F3HW: Tensor) -> Clip | Unreadable:
    """The scene that uint8 [F, 3, H, W] shows; groups that stand still come last, without motion.

    Every group has its size, its place at the start, and its speed if it has a direction.
    """
    num_frames, _, height, width = frames_F3HW.shape
    if num_frames < FRAMES_MIN:
        return Unreadable(f"{num_frames} frames show no motion; read are {FRAMES_MIN} or more")
    spots = find_spots(frames_F3HW)
    if isinstance(spots, Unreadable):
        return spots
    tracks, unknown = _tracks(spots, num_frames, max(height, width))
    if unknown > UNKNOWN_MAX * (spots.area_K.sum() + spots.unknown_area):
        return Unreadable("there is something that has none of the colours and shapes")
    if not 1 <= len(tracks) <= MAX_GROUPS:
        return Unreadable(f"there are {len(tracks)} groups of shapes; read are 1 to {MAX_GROUPS}")
    for track in tracks:
        if reason := _disorder(track, max(height, width)):
            return Unreadable(f"{track.group.color}: {reason}")
    timed = [_read_track(track, width, height) for track in tracks]
    return Clip(tuple(group for _, group in sorted(timed, key=lambda pair: pair[0])))


def _tracks(spots: Spots, num_frames: int, image_px: int) -> tuple[list[_Track], float]:
    """One track for each colour that has a shape, and the area of all that belongs to none."""
    tracks, unknown = [], spots.unknown_area
    for color in sorted(set(spots.color_K.tolist())):
        same = spots.of(spots.color_K == color)
        shape = shape_of(same)
        seen = same.of(are_alone(same, np.full(len(same.area_K), shape), image_px)) if shape is not None else same
        if shape is None or len(set(seen.frame_K.tolist())) < FRAMES_MIN:
            unknown += same.area_K.sum()
            continue
        unknown += same.area_K.sum() - seen.area_K.sum()
        tracks.append(_track(seen, color, shape, num_frames))
    return tracks, float(unknown)


def _track(spots: Spots, color: int, shape: int, num_frames: int) -> _Track:
    count_F = np.bincount(spots.frame_K, minlength=num_frames)
    number = int(np.bincount(count_F[count_F > 0]).argmax())

    def mean(values_K: np.ndarray) -> np.ndarray:
        return np.bincount(spots.frame_K, values_K, minlength=num_frames) / np.maximum(count_F, 1)

    middle_F2 = np.stack([mean(spots.as_shape.middle_KQ2[:, shape, axis]) for axis in (0, 1)], axis=1)
    group = Group(number, COLORS[color], SHAPES[shape])
    return _Track(group, count_F, count_F == number, middle_F2, mean(spots.as_shape.diameter_KQ[:, shape]))


def _disorder(track: _Track, side: int) -> str | None:
    """Why the group's course is no motion, or None where it is one."""
    is_seen_F = track.count_F > 0
    motion, when = _change(is_seen_F)
    is_after_F = np.arange(len(is_seen_F)) >= when
    wanted_F = np.ones(len(is_seen_F), bool) if motion is None else is_after_F if motion == "appear" else ~is_after_F
    num_stray = np.count_nonzero(track.count_F != track.group.number * wanted_F)
    whole = np.flatnonzero(track.is_whole_F & wanted_F)
    if num_stray > STRAY_MAX * len(is_seen_F) or not len(whole):
        return f"there in another number in {num_stray} of {len(is_seen_F)} frames"
    steps_N, stray = _steps(track.middle_F2[whole] / side)
    measure = measure_of(side)
    growths_N, stray_growth = _steps(np.log(track.diameter_F[whole, None]) / np.log(measure.large / measure.small))
    apart_N = np.diff(whole)
    if (steps_N > STEP_MAX * apart_N).any() or (growths_N > GROWTH_STEP_MAX * apart_N).any():
        return "jumps"
    if stray > STRAY_WAY_MAX or stray_growth > STRAY_GROWTH_MAX:
        return "goes to and fro"
    return None


def _steps(places_ND: np.ndarray) -> tuple[np.ndarray, float]:
    """Lengths of the steps from place to place, and by how much they are longer together than the whole way."""
    steps_N = np.linalg.norm(np.diff(places_ND, axis=0), axis=1)
    return steps_N, float(steps_N.sum() - np.linalg.norm(places_ND[-1] - places_ND[0]))


def _read_track(track: _Track, width: int, height: int) -> tuple[float, Group]:
    """When the group moved, in frames, and the whole group."""
    side = max(width, height)
    whole = np.flatnonzero(track.is_whole_F)
    middles_N2, diameters_N = track.middle_F2[whole], track.diameter_F[whole]
    size, place = size_of(diameters_N, side), place_of(middles_N2[0], width, height)
    motion, when = _change(track.count_F > 0)
    speed = None
    if motion is None:
        motion, speed, done_N = _move(middles_N2, diameters_N, side)
        when = float(whole[np.argmax(done_N >= 0.5)]) if motion else np.inf
    group = track.group
    return when, Group(group.number, group.color, group.shape, size, place, motion, speed)


def _change(is_seen_F: np.ndarray) -> tuple[str | None, float]:
    """Whether the group appears or vanishes, and when: the one step that agrees with the most frames."""
    before_F = np.concatenate([[0], np.cumsum(is_seen_F)])  # frames in which it is seen before each moment
    moments = np.arange(len(before_F))
    seen, num_frames = before_F[-1], len(is_seen_F)
    agree = {
        "appear": (moments - before_F) + (seen - before_F),
        "vanish": before_F + (num_frames - moments) - (seen - before_F),
    }
    motion = max(agree, key=lambda name: agree[name].max())
    if agree[motion].max() < seen + FRAMES_MIN:
        return None, np.inf
    return motion, float(agree[motion].argmax())


def _move(middles_N2: np.ndarray, diameters_N: np.ndarray, side: int) -> tuple[str | None, str | None, np.ndarray]:
    """Motion and speed of a group that is seen throughout, and the part of it that is done in each frame."""
    measure, ends = measure_of(side), min(_ENDS, len(diameters_N))
    way_2 = middles_N2[-ends:].mean(0) - middles_N2[:ends].mean(0)
    growth = float(np.log(diameters_N[-ends:].mean() / diameters_N[:ends].mean()))
    length = float(np.linalg.norm(way_2))
    moved, grown = length / (TRAVEL["slow"][0] * side), abs(growth) / np.log(measure.large / measure.small)
    if max(moved, grown) < MOVED_MIN:
        return None, None, np.zeros(len(diameters_N))
    if grown > moved:
        done_N = np.log(diameters_N / diameters_N[:ends].mean()) / growth
        return ("grow" if growth > 0 else "shrink"), None, done_N
    motion = max(DIRECTIONS, key=lambda name: float(way_2 @ TOWARD[name]))
    done_N = (middles_N2 - middles_N2[:ends].mean(0)) @ way_2 / length**2
    return motion, ("slow" if length < _BETWEEN_SPEEDS * side else "fast"), done_N
