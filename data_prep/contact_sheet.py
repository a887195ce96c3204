"""Draws a sheet of the microworld with its captions: ``python -m data_prep.contact_sheet``.

What is drawn has been through its file format and back, as a model sees it; under each caption stands what the oracle
reads where that is not what the scene says.
"""

import argparse
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from anyany.media.clips import decode_clip
from anyany.media.pictures import decode_picture
from anyany.media.sounds import decode_sound
from anyany.microworld.captions import caption
from anyany.microworld.levels import LEVELS, Level, sample_scene
from anyany.microworld.oracles import ORACLES
from anyany.microworld.records import render
from anyany.microworld.scenes import Scene, compare
from anyany.seeds import rng_of

COLUMNS = 4


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.contact_sheet", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--out", type=Path, default=Path("docs/microworld.png"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    wrong = draw(args.out, args.seed)
    sys.stdout.write(f"{args.out}: {3 * len(LEVELS) * COLUMNS} scenes, {wrong} of them not read back in full\n")
    return 0


def draw(path: Path, seed: int) -> int:
    """Writes the sheet; returns how many scenes the oracles did not read back in full."""
    from matplotlib import pyplot

    rows = [(modality, level) for modality in ORACLES for level in LEVELS.values()]
    figure, axes = pyplot.subplots(len(rows), COLUMNS, figsize=(15, 2.0 * len(rows)), layout="constrained")
    wrong = 0
    for row, (modality, level) in enumerate(rows):
        for column in range(COLUMNS):
            rng = rng_of("contact sheet", seed, modality, level.name, column)
            scene = sample_scene(modality, level, rng, novel=column == COLUMNS - 1)
            words = caption(scene, rng)
            axis = axes[row][column]
            decoded = _show(axis, scene, level, rng)
            hits = compare(scene, ORACLES[modality](decoded))
            wrong += not all(hits.values())
            missed = ", ".join(name for name, hit in hits.items() if not hit)
            label = "\n".join(textwrap.wrap(words, 42)) + (f"\n(oracle: {missed})" if missed else "")
            axis.set_xlabel(label, fontsize=9)
            axis.set(xticks=[], yticks=[])
        axes[row][0].set_ylabel(f"{modality}, {level.name}\n(last: novel)", fontsize=9)
    figure.savefig(path, dpi=80, metadata={"Software": None})
    pyplot.close(figure)
    return wrong


def _show(axis: Any, scene: Scene, level: Level, rng: np.random.Generator) -> Any:
    """Draws the scene's file into the axis; returns what was decoded from it."""
    data = render(scene, level, rng)
    if scene.modality == "image":
        picture_3HW = decode_picture(data)
        axis.imshow(picture_3HW.permute(1, 2, 0).numpy(), interpolation="nearest")
        return picture_3HW
    if scene.modality == "video":
        frames_F3HW = decode_clip(data, level.num_frames)
        axis.imshow(_grid(frames_F3HW[:: max(level.num_frames // 8, 1)].numpy()), interpolation="nearest")
        return frames_F3HW
    sound_S = decode_sound(data, level.sample_rate_hz)
    colors = {"cmap": "magma", "vmin": -85, "vmax": -20}  # not the background, whose noise would make a large file
    axis.specgram(sound_S.numpy(), NFFT=512, Fs=level.sample_rate_hz, noverlap=384, **colors)
    time_s = np.arange(len(sound_S)) / level.sample_rate_hz
    axis.plot(time_s, sound_S.numpy() * 900 + 6_800, color="white", linewidth=0.3)  # above the spectrogram's energy
    axis.set_xlim(0, time_s[-1])
    return sound_S


def _grid(frames_F3HW: np.ndarray, columns: int = 4) -> np.ndarray:
    """The frames in reading order, a line between them: [rows * (H + 1), columns * (W + 1), 3]."""
    lined = np.pad(frames_F3HW, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=255)
    rows = [np.concatenate(list(lined[i : i + columns]), axis=2) for i in range(0, len(lined), columns)]
    return np.concatenate(rows, axis=1).transpose(1, 2, 0)


if __name__ == "__main__":
    sys.exit(main())
