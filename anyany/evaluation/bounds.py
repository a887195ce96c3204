"""Between which shares an aligned model can move: what its decoder reaches by itself, and what it makes of nothing.

The ceiling is the decoder asked through its own text encoder. The floor is the decoder given one and the same
conditioning for all, the mean over the captions, which is what a projector that has learned nothing but the mean gives.
Both are the decoder's alone, so they are kept under its digest; those of a shipped decoder stand in its folder.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from anyany.evaluation.decoders import BATCH, draw, seed_of
from anyany.evaluation.oracles import read_back, shares
from anyany.figures import Figure, from_json
from anyany.files import write_whole
from anyany.microworld.scenes import Scene, to_json
from anyany.models.contracts import Decoder
from anyany.seeds import digest_of

SHIPPED = "bounds"  # within a decoder's folder
Bounds = dict[str, dict[str, Figure]]  # ceiling and floor, each by attribute


def bounds(
    decoder: Decoder,
    captions: Sequence[str],
    scenes: Sequence[Scene],
    cache: Path,
) -> Bounds:
    """As it was measured before, or measured now and kept in ``cache``.

    Args:
        decoder: with all its weights.
    """
    asked = [[caption, to_json(scene)] for caption, scene in zip(captions, scenes, strict=True)]
    name = f"{decoder.modality}-{digest_of(decoder.digest(), json.dumps(asked)).hex()}.json"
    for folder in ([Path(decoder.origin, SHIPPED)] if decoder.origin else []) + [cache]:
        if (folder / name).is_file():
            plain = json.loads((folder / name).read_text())
            return {bound: {n: from_json(figure) for n, figure in named.items()} for bound, named in plain.items()}
    found = {"ceiling": _ceiling(decoder, captions, scenes), "floor": _floor(decoder, captions, scenes)}
    cache.mkdir(parents=True, exist_ok=True)
    plain = {bound: {name: figure.as_json() for name, figure in named.items()} for bound, named in found.items()}
    write_whole(cache / name, json.dumps(plain, indent=1) + "\n")
    return found


def _ceiling(decoder: Decoder, captions: Sequence[str], scenes: Sequence[Scene]) -> dict[str, Figure]:
    return shares(read_back(scenes, draw(decoder, captions)))


@torch.no_grad()
def _floor(decoder: Decoder, captions: Sequence[str], scenes: Sequence[Scene]) -> dict[str, Figure]:
    mean_1LD = decoder.condition(captions).mean(0, keepdim=True)
    hits = []
    for first in range(0, len(scenes), BATCH):
        some = scenes[first : first + BATCH]
        seeds = [seed_of(0, first + index) for index in range(len(some))]
        hits += read_back(some, decoder.generate(mean_1LD.expand(len(some), -1, -1), seeds))
    return shares(hits)
