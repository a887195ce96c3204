"""Finds coloured shapes in pictures and frames, and says for each which colour and shape it has. Nothing is learned.

1. The ground is the median of a frame; it must be dark and neutral.
2. Every pixel is a mixture of the ground and of one of the six colours. How much of the colour it holds is its *cover*,
   0..1, found by projecting on the line from the ground to that colour.
3. Connected pixels of more than half cover are a *spot*. Its middle, area and mean colour follow from sums over
   the pixels nearest to it. A mean colour too far from all six is unknown.
4. Each of the five shapes, and each of the foreign outlines of fits.py, is drawn in the spot's place. The shape whose
   drawing leaves the least of the cover unexplained is read; where each leaves too much, or a foreign outline leaves
   clearly less, none is.

Letters: F frames, H, W height and width in pixels, K spots, L colours, Q shapes, R foreign outlines.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from torch import Tensor

from anyany.microworld.drawing import GROUND_GREY, RGB, measure_of
from anyany.microworld.oracles.fits import FOREIGN, KNOWN, Fit, fit
from anyany.microworld.scenes import COLORS, Unreadable

GROUND_MAX, GROUND_TINT_MAX = 90, 45  # grey level of the ground, and difference of its channels
GROUND_RMS_MAX = 24  # grey levels outside all spots; noise that still lets a shape be seen has about 12
COVER_MIN = 0.42  # of a pixel of a spot: where the outline of a blurred shape lies, a bit less for thin ones
LIKENESS_MIN = 0.98  # cosine between the spot's colour and the nearest of the six, both from the ground
ERROR_MAX = 0.3  # part of the cover's energy that the drawing of one spot may leave
GROUP_ERROR_MAX = 0.2  # the same, as the mean over a group
FOREIGN_LESS = 0.03  # by how much less a foreign outline may leave of a spot
GROUP_FOREIGN_LESS = 0.004  # the same, as the mean over a group
DIAMETER_RANGE = (0.65, 1.35)  # of the small size and of the large
SPECK = 0.2  # spots of less area, over the small diameter squared, are noise
UNKNOWN_MAX = 0.15  # part of all spots' area that may belong to no colour or shape
_LUMA = np.array([0.299, 0.587, 0.114])
_LUMA_WEIGHT = 12.0  # in projections, where a squared length is |rgb|^2 + 12 luma^2: media hold chroma coarsely

_WITHIN_FRAME = np.zeros((3, 3, 3), dtype=int)
_WITHIN_FRAME[1] = ndimage.generate_binary_structure(2, 1)
_RAYS_L3 = (np.array([RGB[color] for color in COLORS]) - np.mean(GROUND_GREY)).astype(np.float32)
_UNIT_L3 = _RAYS_L3 / np.linalg.norm(_RAYS_L3, axis=1, keepdims=True)
_METRIC_33 = (np.eye(3) + _LUMA_WEIGHT * np.outer(_LUMA, _LUMA)).astype(np.float32)
_DUAL_L3 = _RAYS_L3 @ _METRIC_33
_DUAL_L3 /= (_DUAL_L3 * _RAYS_L3).sum(1, keepdims=True)  # so that _DUAL_L3[i] @ _RAYS_L3[i] == 1
_BRIGHT_MIN = 0.25 * _RAYS_L3.max(1).min()  # grey levels above the ground, below which no spot has its cover
_ENERGY_L = np.einsum("li,ij,lj->l", _RAYS_L3, _METRIC_33, _RAYS_L3)


@dataclass(frozen=True)
class Spots:
    """K spots of known colour."""

    frame_K: np.ndarray
    color_K: np.ndarray  # index into COLORS
    as_shape: Fit  # [K, Q], Q as in SHAPES
    foreign_KR: np.ndarray  # error as each foreign outline
    area_K: np.ndarray
    unknown_area: float  # of spots that have none of the colours

    def of(self, chosen_K: np.ndarray) -> "Spots":
        """Those chosen by a bool or an index."""
        return Spots(
            self.frame_K[chosen_K],
            self.color_K[chosen_K],
            self.as_shape[chosen_K],
            self.foreign_KR[chosen_K],
            self.area_K[chosen_K],
            self.unknown_area,
        )


def find_spots(frames_F3HW: Tensor) -> Spots | Unreadable:
    """All spots of uint8 [F, 3, H, W]; unreadable where the ground is none. There may be no spots at all."""
    pixels_FHW3 = np.ascontiguousarray(frames_F3HW.numpy().transpose(0, 2, 3, 1), np.float32)
    ground_F3 = np.median(pixels_FHW3[:, ::2, ::2].reshape(len(pixels_FHW3), -1, 3), axis=1)
    if ground_F3.max() > GROUND_MAX or np.ptp(ground_F3, axis=1).max() > GROUND_TINT_MAX:
        return Unreadable(f"the ground is not dark and neutral: {ground_F3.max(0).round().tolist()}")
    pixels_FHW3 -= ground_F3[:, None, None]
    cover_FHW = _cover(pixels_FHW3)
    labels_FHW, num_spots = ndimage.label(cover_FHW > COVER_MIN, structure=_WITHIN_FRAME)
    labels_FHW = _grow(_grow(labels_FHW))
    left_over = np.einsum("fhwc,fhwc->fhw", pixels_FHW3, pixels_FHW3)[labels_FHW == 0]
    rms = float(np.sqrt(left_over.mean() / 3)) if left_over.size else np.inf
    if rms > GROUND_RMS_MAX:
        return Unreadable(f"the ground is not plain: {rms:.0f} grey levels of variation, at most {GROUND_RMS_MAX}")
    return _measure_spots(pixels_FHW3, cover_FHW, labels_FHW, num_spots)


def shape_of(spots: Spots) -> int | None:
    """The index of the shape that explains these spots together, or None where none does."""
    best = int(spots.as_shape.error_KQ.mean(0).argmin())
    return best if are_together(spots, best) else None


def are_together(spots: Spots, shape: int) -> bool:
    """Whether these spots, taken together, have this shape."""
    most = min(GROUP_ERROR_MAX, spots.foreign_KR.mean(0).min() + GROUP_FOREIGN_LESS)
    return bool(spots.as_shape.error_KQ[:, shape].mean() <= most)


def are_alone(spots: Spots, shape_K: np.ndarray, image_px: int) -> np.ndarray:
    """Whether each spot, taken alone, has this shape, and is of a size that the microworld has: bool [K]."""
    rows, measure = np.arange(len(shape_K)), measure_of(image_px)
    error_K, diameter_K = spots.as_shape.error_KQ[rows, shape_K], spots.as_shape.diameter_KQ[rows, shape_K]
    least, most = DIAMETER_RANGE[0] * measure.small, DIAMETER_RANGE[1] * measure.large
    is_sized_K = (diameter_K >= least) & (diameter_K <= most)
    return is_sized_K & (error_K <= np.minimum(ERROR_MAX, spots.foreign_KR.min(1) + FOREIGN_LESS))


def _cover(pixels_FHW3: np.ndarray) -> np.ndarray:
    """Cover of each pixel by the colour that explains most of it; 0 where it is too dim for any."""
    cover_FHW = np.zeros(pixels_FHW3.shape[:3], dtype=np.float32)
    red_FHW, green_FHW, blue_FHW = np.moveaxis(pixels_FHW3, -1, 0)
    is_bright_FHW = (red_FHW > _BRIGHT_MIN) | (green_FHW > _BRIGHT_MIN) | (blue_FHW > _BRIGHT_MIN)
    cover_NL = pixels_FHW3[is_bright_FHW] @ _DUAL_L3.T
    best_N = (np.square(np.maximum(cover_NL, 0)) * _ENERGY_L).argmax(1)
    cover_FHW[is_bright_FHW] = cover_NL[np.arange(len(best_N)), best_N]
    return cover_FHW


def _grow(labels_FHW: np.ndarray) -> np.ndarray:
    """Every spot one pixel wider on all sides, where there is no other."""
    padded = np.pad(labels_FHW, ((0, 0), (1, 1), (1, 1)))
    rows = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    wider = np.maximum(np.maximum(rows[:, :, :-2], rows[:, :, 1:-1]), rows[:, :, 2:])
    return np.where(labels_FHW > 0, labels_FHW, wider)


def _measure_spots(pixels_FHW3: np.ndarray, cover_FHW: np.ndarray, labels_FHW: np.ndarray, num_spots: int) -> Spots:
    """Colour, place and shape of every spot that is no speck."""
    side = max(labels_FHW.shape[1:])
    where = np.flatnonzero(labels_FHW)
    of_spot = labels_FHW.ravel()[where] - 1

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(of_spot, values, minlength=num_spots).astype(float)  # of no spots it makes integers

    pixels_N3 = pixels_FHW3.reshape(-1, 3)[where]
    mean_K3 = np.stack([total(pixels_N3[:, channel]) for channel in range(3)], axis=1)
    mean_K3 /= np.maximum(np.linalg.norm(mean_K3, axis=1, keepdims=True), 1e-6)
    likeness_KL = mean_K3 @ _UNIT_L3.T
    color_K = likeness_KL.argmax(1)
    cover_N = (pixels_N3 * _DUAL_L3[color_K[of_spot]]).sum(1)
    frame_N, y_N, x_N = np.unravel_index(where, labels_FHW.shape)
    area_K = total(cover_N)
    safe_K = np.maximum(area_K, 1e-6)
    middle_K2 = np.stack([total(cover_N * x_N), total(cover_N * y_N)], axis=1) / safe_K[:, None] + 0.5
    is_spot_K = area_K > SPECK * measure_of(side).small ** 2
    is_known_K = is_spot_K & (likeness_KL.max(1) >= LIKENESS_MIN)
    known = np.flatnonzero(is_known_K)
    own_FHW = np.zeros_like(cover_FHW)
    own_FHW.ravel()[where] = cover_N
    frame_K = np.zeros(num_spots, dtype=int)
    frame_K[of_spot] = frame_N
    fitted = fit(KNOWN + FOREIGN, own_FHW, labels_FHW, known + 1, frame_K[known], middle_K2[known], area_K[known])
    as_shape, foreign_KR = fitted[:, : len(KNOWN)], fitted.error_KQ[:, len(KNOWN) :]
    unknown_area = float(area_K[is_spot_K & ~is_known_K].sum())
    return Spots(frame_K[known], color_K[known], as_shape, foreign_KR, area_K[known], unknown_area)
