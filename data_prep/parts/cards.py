"""The card beside a part: what it is, how it was made, how long that took, and what was measured."""

import json
from collections.abc import Mapping
from pathlib import Path

from anyany.figures import Figure
from anyany.files import write_whole
from data_prep.parts.pools import SEED, TRAINED_ON

CARD, FIGURES = "README.md", "figures.json"


def write_card(
    folder: Path, about: str, recipe: Mapping[str, str], seconds: float, figures: Mapping[str, Figure], machine: str
) -> None:
    """``README.md`` for people and ``figures.json`` for programs.

    Args:
        about: what it is, in its first paragraph.
        recipe: name of each training -> what it does.
    """
    name, size = folder.name, sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    lines = [
        "---",
        "license: apache-2.0",
        "---",
        f"# {name}, tiny",
        "",
        about.strip().split("\n\n")[0],
        "",
        "## Data",
        "",
        f"The microworld's training split (seed {SEED}), levels {' and '.join(TRAINED_ON)}; "
        "no text names a novel pair.",
        "",
        "## Recipe",
        "",
        f"`make parts PART={name}`: {seconds / 60:.0f} minutes of training on {machine}.",
        f"Weights in fp16, {size / 1e6:.1f} MB.",
        "",
        *(f"- {training}: {told}" for training, told in recipe.items()),
        "",
        "## Measured",
        "",
        "Share, 95 % interval, number of items.",
        "",
        "| figure | value | interval | n |",
        "|---|---|---|---|",
        *(f"| {key} | {f.value:.3f} | {f.low:.3f} to {f.high:.3f} | {f.n} |" for key, f in figures.items()),
        "",
    ]
    write_whole(folder / FIGURES, json.dumps({key: f.as_json() for key, f in figures.items()}, indent=2) + "\n")
    write_whole(folder / CARD, "\n".join(lines))


def read_figures(folder: Path) -> dict[str, Figure]:
    """The figures of a part's card."""
    return {key: Figure(**figure) for key, figure in json.loads((folder / FIGURES).read_text()).items()}
