"""What oracles must bear (blur, noise), what they must refuse (garbage), and counts of what they read right.

N: corners of an outline.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy import ndimage
from torch import Tensor

import anyany.microworld.drawing as drawing
from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.pictures import render_picture
from anyany.microworld.scenes import COLORS, Scene, Unreadable, compare

Rng = np.random.Generator


def to_uint8(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def blurred(media: Tensor, rng: Rng) -> Tensor:
    """Gaussian blur of 0.7 px at 32 px, as much of the picture at other sizes."""
    sigma = 0.7 * media.shape[-1] / 32
    return to_uint8(ndimage.gaussian_filter(media.numpy().astype(float), (0,) * (media.ndim - 2) + (sigma, sigma)))


def noisy(media: Tensor, rng: Rng) -> Tensor:
    """Gaussian noise of 12 of 255 in every channel."""
    return to_uint8(media.numpy() + rng.normal(0, 12, media.shape))


def percent_right(pairs: Iterable[tuple[Scene, Scene | Unreadable]]) -> dict[str, float]:
    """Of every attribute, over all pairs of what was wanted and what was read."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for wanted, read in pairs:
        for name, is_right in compare(wanted, read).items():
            attribute = name.split(".")[-1]
            right[attribute] += is_right
            total[attribute] += 1
    return {attribute: 100 * right[attribute] / total[attribute] for attribute in total}


def _uniform_noise(rng: Rng, side: int) -> Tensor:
    return to_uint8(rng.uniform(0, 255, (3, side, side)))


def _gaussian_noise(rng: Rng, side: int) -> Tensor:
    return to_uint8(rng.normal(rng.uniform(20, 200), rng.uniform(30, 80), (3, side, side)))


def _blank(rng: Rng, side: int) -> Tensor:
    color = rng.uniform(0, 255, (3, 1, 1)) * rng.choice([0.12, 1.0])
    return to_uint8(np.ones((3, side, side)) * color)


def _gradient(rng: Rng, side: int) -> Tensor:
    first, last = rng.uniform(0, 255, (2, 3, 1, 1))
    first = first * rng.choice([0.15, 1.0])
    y, x = np.mgrid[:side, :side] / side - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    return to_uint8(first + (last - first) * (along - along.min()) / np.ptp(along))


def _spectrogram(rng: Rng, side: int) -> Tensor:
    """Interrupted harmonics over faint noise, in grey, in shades of one colour, or from violet to yellow."""
    pitch = rng.uniform(2, 6)
    y, x = np.mgrid[:side, :side]
    power = rng.normal(0, 0.05, (side, side))
    for harmonic in range(1, 6):
        middle = side - harmonic * pitch - rng.uniform(-2, 2) * x / side
        sounds = np.sin(x * rng.uniform(0.1, 0.6)) > -0.3
        power += sounds * np.exp(-0.5 * ((y - middle) / 0.7) ** 2) / harmonic**0.5
    maps = [
        [[10, 10, 10], [255, 255, 255]],
        [[20, 20, 20], drawing.RGB[COLORS[rng.integers(6)]]],
        [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]],
    ]
    stops = np.array(maps[rng.integers(3)], dtype=float)
    where = np.linspace(0, 1, len(stops))
    return to_uint8(np.stack([np.interp(power, where, stops[:, channel]) for channel in range(3)]))


def _smooth_blobs(rng: Rng, side: int) -> Tensor:
    """Like an unsharp photograph."""
    sigma = rng.uniform(1, 5) * side / 32
    values = ndimage.gaussian_filter(rng.normal(size=(3, side, side)), (0, sigma, sigma))
    return to_uint8(values / values.std() * rng.uniform(30, 80) + rng.uniform(10, 150))


def _other_colors(rng: Rng, side: int) -> Tensor:
    """Well drawn scenes, but white, grey, orange, pink, brown."""
    others = [(255, 255, 255), (150, 150, 150), (250, 135, 20), (255, 160, 190), (140, 70, 20), (240, 230, 220)]
    level = LEVELS["standard" if side == 32 else "hard"]
    known = dict(drawing.RGB)
    try:
        drawing.RGB.update({color: others[rng.integers(len(others))] for color in COLORS})
        return render_picture(sample_scene("image", level, rng), level, rng)
    finally:
        drawing.RGB.update(known)


def _stripes(rng: Rng, side: int) -> Tensor:
    """Bars of one of the six colours from border to border."""
    y, x = np.mgrid[:side, :side]
    angle = rng.uniform(0, np.pi)
    bars = np.sin((x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(0.3, 1.0)) > 0.5
    color = np.array(drawing.RGB[COLORS[rng.integers(6)]])[:, None, None]
    return to_uint8(np.where(bars, color, 28))


def regular(corners: int, turned: float, reach: float | tuple[float, float] = 1.0) -> np.ndarray:
    """Corners [N, 2] within the unit circle, the first at ``turned`` degrees from the right downwards.

    Two values of ``reach`` alternate: how far a corner lies from the middle.
    """
    angles = np.radians(turned) + 2 * np.pi * np.arange(corners) / corners
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.resize(reach, corners)[:, None]


_ARMS = [(1, 0.36), (0.36, 0.36), (0.36, 1), (-0.36, 1), (-0.36, 0.36), (-1, 0.36)]
_TURN_45 = np.array([[1, 1], [-1, 1]]) / 2**0.5
OTHER_SHAPES = {
    "diamond": regular(4, 0),
    "triangle upside down": regular(3, 90),
    "triangle to the left": regular(3, 180),
    "pentagon": regular(5, -90),
    "hexagon": regular(6, 0),
    "hexagon on a corner": regular(6, 90),
    "star": regular(10, -90, (1, 0.45)),
    "ellipse": regular(48, 0) * [1, 0.65],
    "rectangle": np.array([(1, 0.65), (-1, 0.65), (-1, -0.65), (1, -0.65)]),
    "slanting cross": np.array(_ARMS + [(-x, -y) for x, y in _ARMS]) @ _TURN_45,
    "half a disc": np.concatenate([regular(48, 0)[:25], [[-1, 0]]]),
}


def draw_outline(corners_N2: np.ndarray, rng: Rng, side: int, size: str = "large") -> Tensor:
    """One to three equal shapes of this outline, in one of the six colours, on plain dark ground."""
    per_row, fine = side // 16 if side == 32 else 3, 8
    middles = (np.stack(np.divmod(rng.permutation(per_row**2)[: rng.integers(1, 4)], per_row)) + 0.5).T * side / per_row
    radius = getattr(drawing.measure_of(side), size) / 2 * rng.uniform(0.97, 1.03)
    mask = Image.new("L", (side * fine, side * fine))
    for middle in middles + rng.uniform(-1.5, 1.5, middles.shape):
        ImageDraw.Draw(mask).polygon([tuple(xy) for xy in (middle + radius * corners_N2) * fine], fill=255)
    cover = np.asarray(mask).reshape(side, fine, side, fine).mean((1, 3)) / 255
    color = np.array(drawing.RGB[COLORS[rng.integers(6)]])[:, None, None]
    return to_uint8(28 + cover * (color - 28.0))


GARBAGE: dict[str, Callable[[Rng, int], Tensor]] = {
    "uniform noise": _uniform_noise,
    "gaussian noise": _gaussian_noise,
    "blank": _blank,
    "gradient": _gradient,
    "spectrogram": _spectrogram,
    "smooth blobs": _smooth_blobs,
    "other colors": _other_colors,
    "stripes": _stripes,
} | {name: partial(draw_outline, corners_N2) for name, corners_N2 in OTHER_SHAPES.items()}
