"""Shares of what oracles read back as it was asked for."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from anyany.figures import Figure, share
from anyany.microworld.oracles import ORACLES
from anyany.microworld.scenes import Scene, compare

ALL_RIGHT = "all_right"


def read_back(scenes: Sequence[Scene], media: Iterable[Any]) -> list[dict[str, bool]]:
    """For each scene whether each of its attributes is read back from the medium that was made of it."""
    return [compare(scene, ORACLES[scene.modality](item)) for scene, item in zip(scenes, media, strict=True)]


def shares(hits: Sequence[dict[str, bool]]) -> dict[str, Figure]:
    """The share of items with all attributes right, and of each attribute among the items that say it."""
    if not hits:
        raise ValueError("no items to measure; give at least one")
    by_name: dict[str, list[bool]] = defaultdict(list)
    for hit in hits:
        by_name[ALL_RIGHT].append(all(hit.values()))
        for name, is_right in hit.items():
            by_name[name].append(is_right)
    return {name: share(sum(values), len(values)) for name, values in by_name.items()}
