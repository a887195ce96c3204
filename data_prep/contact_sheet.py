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

from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.captions import caption
from anyany.microworld.levels import LEVELS, Level, sample_scene
from anyany.microworld.oracles import ORACLES
from anyany.microworld.records import render
from anyany.microworld.scenes import Scene, compare
from anyany.seeds import rng_of
from data_prep.looking.sheets import draw_media, label

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
            label(axis, "\n".join(textwrap.wrap(words, 42)) + (f"\n(oracle: {missed})" if missed else ""))
        axes[row][0].set_ylabel(f"{modality}, {level.name}\n(last: novel)", fontsize=9)
    figure.savefig(path, dpi=80, metadata={"Software": None})
    pyplot.close(figure)
    return wrong


def _show(axis: Any, scene: Scene, level: Level, rng: np.random.Generator) -> Any:
    """Draws the scene's file into the axis; returns what was decoded from it."""
    spec = MediaSpec(level.num_frames, level.sample_rate_hz)
    decoded = MEDIA[scene.modality].decode(render(scene, level, rng), spec)
    draw_media(axis, scene.modality, decoded, spec)
    return decoded


if __name__ == "__main__":
    sys.exit(main())
