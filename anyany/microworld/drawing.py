"""What renderers and oracles share: the colours, the measures and the outlines of shapes, and painting them.

Letters: F frames, K shapes, S side of a window in pixels, P side of a frame in pixels.
Lengths are in pixels, x to the right and y downwards; (0.5, 0.5) is the middle of the first pixel.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anyany.microworld.scenes import Group

# Hues 60 degrees apart; the luma of each (0.30 R + 0.59 G + 0.11 B) is at least 80 above the ground's, so that shapes
# keep their outline where chroma is stored at half resolution.
RGB = {
    "red": (235, 50, 45),
    "yellow": (240, 215, 50),
    "green": (50, 200, 65),
    "cyan": (55, 215, 230),
    "blue": (65, 105, 255),
    "purple": (195, 70, 235),
}
RGB_JITTER = 8  # of each channel of a group, up and down
GROUND_GREY = (18, 38)
GROUND_SLOPE = 4  # grey levels between the middle and the border


@dataclass(frozen=True)
class Measure:
    """Lengths in pixels at one resolution: the diameter of each size, and the least gap between shapes and groups."""

    small: float
    large: float
    gap: float

    @property
    def between_sizes(self) -> float:
        return (self.small * self.large) ** 0.5


_MEASURES = {32: Measure(small=6.0, large=9.5, gap=2.0), 64: Measure(small=8.5, large=13.0, gap=3.0)}


def measure_of(image_px: int) -> Measure:
    """The lengths for pictures of this side: those of the nearest known resolution, scaled."""
    known = min(_MEASURES, key=lambda side: abs(np.log(side / image_px)))
    scale, measure = image_px / known, _MEASURES[known]
    return Measure(measure.small * scale, measure.large * scale, measure.gap * scale)


# Width and height over diameter; where the centre of mass lies below the middle of that box, over diameter.
EXTENT = {
    "circle": (0.94, 0.94),
    "square": (0.88, 0.88),
    "triangle": (1.0, 0.92),
    "cross": (1.0, 1.0),
    "ring": (1.0, 1.0),
}
MASS_BELOW = {"circle": 0.0, "square": 0.0, "triangle": EXTENT["triangle"][1] / 6, "cross": 0.0, "ring": 0.0}
_ARM = 0.18  # half the width of a cross's arms, over diameter
_HOLE = 0.25  # radius of a ring's hole, over diameter


def signed_distance(shape: str, x: np.ndarray, y: np.ndarray, diameter: np.ndarray) -> np.ndarray:
    """Distance to the outline in pixels, negative inside; x and y from the shape's middle. All broadcast."""
    half_x, half_y = (0.5 * extent * diameter for extent in EXTENT[shape])
    if shape == "circle":
        return np.sqrt(x * x + y * y) - half_x
    if shape == "ring":
        radius = np.sqrt(x * x + y * y)
        return np.maximum(radius - half_x, _HOLE * diameter - radius)
    x, arm = np.abs(x), _ARM * diameter
    if shape == "square":
        return np.maximum(x, np.abs(y)) - half_x
    if shape == "triangle":  # sides through (0, -half_y) and (half_x, half_y), base at half_y
        sides = (2 * half_y * x - half_x * (y + half_y)) / np.sqrt(4 * half_y**2 + half_x**2)
        return np.maximum(sides, y - half_y)
    y = np.abs(y)
    return np.minimum(np.maximum(x - half_x, y - arm), np.maximum(x - arm, y - half_x))


def coverage(shape: str, x: np.ndarray, y: np.ndarray, diameter: np.ndarray, edge_px: float = 1.0) -> np.ndarray:
    """How much of each pixel the shape covers, 0..1, over an edge of this width."""
    return np.clip(0.5 - signed_distance(shape, x, y, diameter) / edge_px, 0.0, 1.0)


def paint(
    canvas_FPP3: np.ndarray, group: Group, frames_K: np.ndarray, middles_K2: np.ndarray, diameters_K: np.ndarray,
    rgb: np.ndarray,
) -> None:  # fmt: skip
    """Paints shapes of one group into frames, in place; shapes must lie inside the frame."""
    side = canvas_FPP3.shape[1]
    window = min(side, int(diameters_K.max()) + 3)
    corners_K2 = np.clip(np.round(middles_K2 - window / 2).astype(int), 0, side - window)
    steps_S = np.arange(window) + 0.5
    x_KS, y_KS = (corners_K2[:, axis, None] + steps_S - middles_K2[:, axis, None] for axis in (0, 1))
    cover_KSS = coverage(group.shape, x_KS[:, None, :], y_KS[:, :, None], diameters_K[:, None, None])
    for frame, (left, top), cover_SS in zip(frames_K, corners_K2, cover_KSS, strict=True):
        patch = canvas_FPP3[frame, top : top + window, left : left + window]
        patch += cover_SS[..., None] * (rgb - patch)


def ground(side: int, num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Dark, nearly neutral, slightly brighter towards one side: float32 [F, P, P, 3], the same in every frame."""
    tint = rng.uniform(*GROUND_GREY) + rng.uniform(-3, 3, 3)
    slope_x, slope_y = rng.uniform(-GROUND_SLOPE, GROUND_SLOPE, 2)
    along = np.linspace(-1, 1, side)
    ground_PP3 = tint + (slope_x * along + slope_y * along[:, None])[..., None]
    return np.repeat(ground_PP3[None].astype(np.float32), num_frames, axis=0)


def rgb_of(group: Group, rng: np.random.Generator) -> np.ndarray:
    """The group's colour with a slight variation, float [3]."""
    return np.clip(np.array(RGB[group.color]) + rng.uniform(-RGB_JITTER, RGB_JITTER, 3), 0, 255)


def to_uint8(canvas_FPP3: np.ndarray) -> Tensor:
    """uint8 [F, 3, P, P]."""
    rounded = np.clip(canvas_FPP3 + 0.5, 0, 255).astype(np.uint8)
    return torch.from_numpy(np.ascontiguousarray(rounded.transpose(0, 3, 1, 2)))
