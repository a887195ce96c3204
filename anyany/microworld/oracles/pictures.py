"""Reads a picture back into a scene. How shapes are found and told apart: anyany/microworld/oracles/shapes.py.

Spots of one colour and shape are a group. Its size is that of the median diameter, its place that of the mean middle
against the picture's, its relation to the other group that along the axis on which they lie farther apart.
"""

import numpy as np
from torch import Tensor

from anyany.microworld.drawing import measure_of
from anyany.microworld.oracles.shapes import UNKNOWN_MAX, Spots, are_alone, are_together, find_spots, shape_of
from anyany.microworld.pictures import MIDDLE_TO, SIDE_FROM
from anyany.microworld.scenes import COLORS, SHAPES, Group, Picture, Unreadable

CLEARLY = 0.08  # by how much less a spot's own shape must leave than its colour's common one, to stand by itself
MAX_GROUPS = 4
_SIDE_BEYOND = (SIDE_FROM + MIDDLE_TO) / 2


def read_picture(picture: Tensor) -> Picture | Unreadable:
    """The scene that uint8 [3, H, W] shows, with size and place of every group, and the relation of two."""
    spots = find_spots(picture[None])
    if isinstance(spots, Unreadable):
        return spots
    shape_K = _shapes(spots)
    image_px = max(picture.shape[1:])
    is_known_K = _are_known(spots, shape_K, image_px)
    unknown = spots.unknown_area + spots.area_K[~is_known_K].sum()
    if unknown > UNKNOWN_MAX * (spots.area_K.sum() + spots.unknown_area):
        return Unreadable("there is something that has none of the colours and shapes")
    kinds = sorted(set(zip(spots.color_K[is_known_K].tolist(), shape_K[is_known_K].tolist(), strict=True)))
    if not 1 <= len(kinds) <= MAX_GROUPS:
        return Unreadable(f"there are {len(kinds)} groups of shapes; read are 1 to {MAX_GROUPS}")
    members = [is_known_K & (spots.color_K == color) & (shape_K == shape) for color, shape in kinds]
    middles = [
        spots.as_shape.middle_KQ2[member_K, shape].mean(0) for member_K, (_, shape) in zip(members, kinds, strict=True)
    ]
    groups = tuple(
        Group(
            int(member_K.sum()),
            COLORS[color],
            SHAPES[shape],
            size_of(spots.as_shape.diameter_KQ[member_K, shape], image_px),
            place_of(middle_2, picture.shape[2], picture.shape[1]),
        )
        for member_K, middle_2, (color, shape) in zip(members, middles, kinds, strict=True)
    )
    return Picture(groups, relation_of(*middles) if len(groups) == 2 else None)


def size_of(diameters: np.ndarray, image_px: int) -> str:
    """The size nearest to the median diameter, as a ratio."""
    return "small" if np.median(diameters) < measure_of(image_px).between_sizes else "large"


def place_of(middle_2: np.ndarray, width: int, height: int) -> str:
    """The place of a group whose middle is here."""
    away_x, away_y = middle_2[0] / width - 0.5, middle_2[1] / height - 0.5
    if max(abs(away_x), abs(away_y)) < _SIDE_BEYOND:
        return "middle"
    if abs(away_x) > abs(away_y):
        return "left" if away_x < 0 else "right"
    return "top" if away_y < 0 else "bottom"


def relation_of(first_2: np.ndarray, second_2: np.ndarray) -> str:
    """The relation of a group here to one there."""
    toward_x, toward_y = second_2 - first_2
    if abs(toward_x) > abs(toward_y):
        return "left of" if toward_x > 0 else "right of"
    return "above" if toward_y > 0 else "below"


def _shapes(spots: Spots) -> np.ndarray:
    """The index of each spot's shape: its colour's common one, unless another fits it clearly better."""
    error_KQ = spots.as_shape.error_KQ
    shape_K = error_KQ.argmin(1)
    for color in set(spots.color_K.tolist()):
        same = np.flatnonzero(spots.color_K == color)
        common = shape_of(spots.of(same))
        if common is not None:
            joins = error_KQ[same, common] <= error_KQ[same].min(1) + CLEARLY
            shape_K[same[joins]] = common
    return shape_K


def _are_known(spots: Spots, shape_K: np.ndarray, image_px: int) -> np.ndarray:
    """Whether each spot has its shape, alone and together with its group: bool [K]."""
    is_known_K = are_alone(spots, shape_K, image_px)
    for color, shape in set(zip(spots.color_K.tolist(), shape_K.tolist(), strict=True)):
        group = np.flatnonzero(is_known_K & (spots.color_K == color) & (shape_K == shape))
        is_known_K[group] = are_together(spots.of(group), shape) if len(group) else False
    return is_known_K
