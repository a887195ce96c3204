"""The picture of ``data_prep.stats``: a panel for each quantity, an outline for each source."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anyany.media.table import MEDIA
from data_prep.looking.quantities import Sampled
from data_prep.looking.text import shown

COLUMNS = 3
BINS = 40
MAX_LANGUAGES = 8
_LONG_TAIL = 20  # largest against median, from which on the axis is logarithmic
_UNITS = {"px": "pixels", "s": "seconds", "hz": "Hz"}


def draw(path: Path, sources: Mapping[str, Sampled]) -> None:
    """Writes the picture. Each outline is the share of its own source's values, so that small sources are seen."""
    from matplotlib import pyplot

    quantities = ordered(dict.fromkeys(quantity for sampled in sources.values() for quantity in sampled.values))
    num_panels = len(quantities) + 1
    num_rows, legend_rows = math.ceil(num_panels / COLUMNS), math.ceil(len(sources) / COLUMNS)
    height = 2.6 * num_rows + 0.25 * legend_rows + 0.3
    figure, axes = pyplot.subplots(num_rows, COLUMNS, figsize=(14, height), layout="constrained", squeeze=False)
    colors = _colors(list(sources))
    for axis, quantity in zip(axes.flat, quantities, strict=False):
        values = {name: sampled.values[quantity] for name, sampled in sources.items() if quantity in sampled.values}
        _panel(axis, title_of(quantity), values, colors)
    _languages(axes.flat[len(quantities)], sources, colors)
    for axis in axes.flat[num_panels:]:
        axis.set_axis_off()
    handles = [
        pyplot.Line2D([], [], label=f"{shown(name, 60)}, {sources[name].num_records:,} records", **style)
        for name, style in colors.items()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=COLUMNS, fontsize=9, frameon=False)
    figure.savefig(path, dpi=80, metadata={"Software": None})
    pyplot.close(figure)


def ordered(quantities: Iterable[str]) -> list[str]:
    """Text first, then the modalities in the order of MEDIA."""
    kinds = ("caption", "dialogue", *MEDIA)
    return sorted(quantities, key=lambda quantity: kinds.index(quantity.partition("_")[0]))


def title_of(quantity: str) -> str:
    """``video_length_s`` -> ``video length (seconds)``."""
    words = quantity.replace("_num_", "_").split("_")
    unit = _UNITS.get(words[-1])
    return " ".join(words[:-1]) + f" ({unit})" if unit else " ".join(words)


def edges_of(values: np.ndarray) -> tuple[np.ndarray, bool]:
    """Edges of the bins over all sources, and whether they grow by a factor. Whole numbers lie in the bins evenly."""
    low, high = values.min(), values.max()
    if low > 0 and high > _LONG_TAIL * np.median(values):
        return np.geomspace(low, high, BINS + 1), True
    if (values == np.rint(values)).all():
        width = math.ceil((high - low + 1) / BINS)
        return np.arange(low - 0.5, high + width, width), False
    if low == high:
        return np.array([low - 0.5, high + 0.5]), False
    return np.linspace(low, high, BINS + 1), False


def _panel(axis: Any, title: str, values: Mapping[str, list[float]], colors: Mapping[str, dict[str, Any]]) -> None:
    edges, by_factor = edges_of(np.concatenate([np.asarray(each) for each in values.values()]))
    for name, each in values.items():
        counts, _ = np.histogram(each, edges)
        axis.stairs(counts / len(each), edges, fill=True, color=colors[name]["color"], alpha=0.2)
        axis.stairs(counts / len(each), edges, **colors[name])
    if by_factor:
        axis.set_xscale("log")
    elif len(edges) <= 6:  # few bins: none wider than a sixth of the panel
        axis.set_xticks((edges[:-1] + edges[1:]) / 2)
        margin = (edges[1] - edges[0]) * (7 - len(edges)) / 2
        axis.set_xlim(edges[0] - margin, edges[-1] + margin)
    axis.set_title(title, fontsize=10)
    axis.tick_params(labelsize=8)
    axis.yaxis.set_major_formatter(_percent)
    axis.set_ylim(bottom=0)


def _languages(axis: Any, sources: Mapping[str, Sampled], colors: Mapping[str, dict[str, Any]]) -> None:
    """Bars for the languages met most often, and one for the number of others."""
    shares = {name: _shares(sampled) for name, sampled in sources.items() if sampled.languages}
    totals: dict[str, float] = {}
    for each in shares.values():
        for language, share in each.items():
            totals[language] = totals.get(language, 0.0) + share
    ranked = sorted(totals, key=lambda language: -totals[language])
    named, rest = ranked[:MAX_LANGUAGES], ranked[MAX_LANGUAGES:]
    width = 0.8 / max(1, len(shares))
    for number, (name, each) in enumerate(shares.items()):
        heights = [each.get(language, 0.0) for language in named]
        heights += [sum(each.get(language, 0.0) for language in rest)] if rest else []
        places = np.arange(len(heights)) - 0.4 + width * (number + 0.5)
        axis.bar(places, heights, width, color=colors[name]["color"])
    labels = [*named, *([f"+{len(rest)}"] if rest else [])]
    axis.set_xticks(range(len(labels)), labels)
    axis.set_title("language of the text", fontsize=10)
    axis.tick_params(labelsize=8)
    axis.yaxis.set_major_formatter(_percent)


def _percent(share: float, _: int) -> str:
    return f"{100 * share:g} %"


def _shares(sampled: Sampled) -> dict[str, float]:
    total = sampled.languages.total()
    return {language: count / total for language, count in sampled.languages.items()}


def _colors(names: list[str]) -> dict[str, dict[str, Any]]:
    """A colour for each of ten sources, and other dashes for the next ten."""
    dashes = ("solid", "dashed", "dotted", "dashdot")
    return {
        name: {"color": f"C{number % 10}", "linestyle": dashes[number // 10 % len(dashes)]}
        for number, name in enumerate(names)
    }
