"""Drawings of decoded media, one function a modality, and the sheet of records that peek writes."""

import math
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anyany.faults import Fault, UserError
from anyany.media.table import MEDIA, MediaSpec
from data_prep.looking.records import Look, attempt, said
from data_prep.looking.text import shown

COLUMNS = 4
MAX_TILES = 400  # more makes a picture that viewers refuse
LABEL_CHARACTERS = 170
_SIDE_PX = 320  # a larger picture is averaged down to at most twice this before it is drawn
_COLUMNS_READ = 2_000  # of the spectrogram of a long sound
_PIXELS_SHOWN_PX = 64  # up to this side single pixels are drawn as squares


def draw_media(axis: Any, modality: str, decoded: Any, spec: MediaSpec) -> None:
    """Draws a decoded picture, clip or sound (a tensor of the form that MEDIA tells) into a matplotlib axis."""
    DRAWINGS[modality](axis, decoded.numpy(), spec)


def label(axis: Any, text: str) -> None:
    """Text under an axis, in place of its ticks. A dollar in it is a dollar, no formula."""
    axis.set_xlabel(text, fontsize=9, parse_math=False)
    axis.set(xticks=[], yticks=[])


def write_sheet(path: Path, looks: Sequence[Look]) -> None:
    """A tile for each medium of the records, with what is said under it; what cannot be drawn shows its fault.

    Characters that matplotlib's font lacks become boxes.

    Raises:
        UserError: too many tiles for one picture.
    """
    from matplotlib import pyplot

    tiles = [tile for look in looks for tile in _tiles(look)]
    if len(tiles) > MAX_TILES:
        raise UserError(f"a sheet of {len(tiles)} tiles; at most {MAX_TILES} fit: ask for fewer records (--num)")
    num_rows = math.ceil(len(tiles) / COLUMNS)
    figure, axes = pyplot.subplots(num_rows, COLUMNS, figsize=(15, 3.6 * num_rows), layout="constrained", squeeze=False)
    for axis in axes.flat[len(tiles) :]:
        axis.set_axis_off()
    for axis, (look, member) in zip(axes.flat, tiles, strict=False):
        _draw_tile(axis, look, member)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a line a character; the boxes are seen
        figure.savefig(path, dpi=80, metadata={"Software": None})
    pyplot.close(figure)


def _tiles(look: Look) -> Iterator[tuple[Look, str | None]]:
    """Its media one by one; a record without any has one tile for its text."""
    yield from ((look, member) for member in look.media or [None])


def _draw_tile(axis: Any, look: Look, member: str | None) -> None:
    spec = MediaSpec()
    faults = list(look.faults)
    if member in look.media:
        modality = look.media[member]
        decoded = attempt(MEDIA[modality].decode, look.members[member], spec)
        if isinstance(decoded, Fault):
            faults.append(decoded)
        else:
            draw_media(axis, modality, decoded, spec)
    told = [f"{fault.kind}: {shown(str(fault), LABEL_CHARACTERS)}" for fault in faults]
    if told or member is None:
        inside = "\n".join(_wrapped(line, 40) for line in told) or "text alone"
        axis.text(0.5, 0.5, inside, ha="center", va="center", transform=axis.transAxes, fontsize=9, parse_math=False)
    name = f"{look.key}.{member}" if member else look.key
    words = look.text
    if look.messages:
        words = " ".join(f"{message.role}: {said(message)}" for message in look.messages)
    label(
        axis, "\n".join((_wrapped(shown(name, 60), 48), _wrapped(shown(" ".join(words.split()), LABEL_CHARACTERS), 48)))
    )


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))


def _picture(axis: Any, picture_3HW: np.ndarray, spec: MediaSpec) -> None:
    pixels = "nearest" if max(picture_3HW.shape[1:]) <= _PIXELS_SHOWN_PX else "auto"
    axis.imshow(_smaller(picture_3HW).transpose(1, 2, 0), interpolation=pixels)


def _clip(axis: Any, frames_F3HW: np.ndarray, spec: MediaSpec) -> None:
    """Eight frames at most, in reading order with a line between them."""
    pixels = "nearest" if max(frames_F3HW.shape[2:]) <= _PIXELS_SHOWN_PX else "auto"
    frames = [_smaller(frame_3HW) for frame_3HW in frames_F3HW[:: max(len(frames_F3HW) // 8, 1)]]
    columns = 2 if frames[0].shape[2] > 1.3 * frames[0].shape[1] else 4
    axis.imshow(_grid(np.stack(frames), columns), interpolation=pixels)


def _sound(axis: Any, sound_S: np.ndarray, spec: MediaSpec) -> None:
    """The spectrogram, and the waveform above most of its energy."""
    from matplotlib import colormaps

    window, top_hz = 512, spec.sample_rate_hz / 2
    dark = colormaps["magma"].with_extremes(bad="black")  # silence is minus infinity
    colors = {"cmap": dark, "vmin": -85, "vmax": -20}  # not the background, whose noise would make a large file
    padded_S = np.pad(sound_S, (0, max(0, 2 * window - len(sound_S))))
    length_s = len(padded_S) / spec.sample_rate_hz
    read_S, hop, extent = padded_S, window // 4, None
    if (
        len(padded_S) > _COLUMNS_READ * window
    ):  # so many pieces of it, evenly spaced: a minute or an hour costs the same
        apart = len(padded_S) // _COLUMNS_READ
        read_S = np.lib.stride_tricks.sliding_window_view(padded_S, window)[::apart].ravel()
        hop, extent = window, (0, length_s)
    with np.errstate(divide="ignore"):
        axis.specgram(read_S, NFFT=window, Fs=spec.sample_rate_hz, noverlap=window - hop, xextent=extent, **colors)
    step = max(1, len(padded_S) // 100_000)
    time_s = np.arange(len(padded_S))[::step] / spec.sample_rate_hz
    axis.plot(time_s, padded_S[::step] * (0.1125 * top_hz) + 0.85 * top_hz, color="white", linewidth=0.3)
    axis.set_xlim(0, time_s[-1])


DRAWINGS: dict[str, Callable[[Any, np.ndarray, MediaSpec], None]] = {
    "image": _picture,
    "video": _clip,
    "audio": _sound,
}


def _smaller(picture_3HW: np.ndarray) -> np.ndarray:
    """Averaged over squares of pixels, so that many large pictures fit into one sheet and into memory."""
    _, height, width = picture_3HW.shape
    by = max(height, width) // _SIDE_PX
    if by < 2 or min(height, width) < by:
        return picture_3HW
    cut_3HW = picture_3HW[:, : height // by * by, : width // by * by]
    return cut_3HW.reshape(3, height // by, by, width // by, by).mean((2, 4)).astype(np.uint8)


def _grid(frames_F3HW: np.ndarray, columns: int) -> np.ndarray:
    """The frames in reading order, a line between them: [rows * (H + 1), columns * (W + 1), 3]."""
    lined = np.pad(frames_F3HW, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=255)
    rows = [np.concatenate(list(lined[i : i + columns]), axis=2) for i in range(0, len(lined), columns)]
    return np.concatenate(rows, axis=1).transpose(1, 2, 0)
