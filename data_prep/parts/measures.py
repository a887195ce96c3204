"""What the finished parts can do, on combinations that no training record holds."""

import json
from collections.abc import Sequence

from anyany.evaluation.decoders import draw
from anyany.evaluation.oracles import read_back, shares
from anyany.figures import Figure
from anyany.microworld.records import make_record
from anyany.microworld.scenes import Scene, from_json
from anyany.models.contracts import Decoder
from data_prep.parts.pools import SEED, TRAINED_ON

SPLIT = "test_novel"
NUMBER = 300  # as many as a shard's set has by default


def asked(modality: str, level: str, number: int = NUMBER, split: str = SPLIT) -> tuple[list[str], list[Scene]]:
    """Captions and scenes of a split's records."""
    records = [make_record(SEED, level, split, modality, index) for index in range(number)]
    return [r["txt"].decode() for r in records], [from_json(json.loads(r["scene.json"])) for r in records]


def drawn(decoder: Decoder, levels: Sequence[str] = TRAINED_ON, number: int = NUMBER) -> dict[str, Figure]:
    """The oracle's shares of what the decoder draws for captions, by level."""
    figures: dict[str, Figure] = {}
    for level in levels:
        captions, scenes = asked(decoder.modality, level, number)
        hits = read_back(scenes, draw(decoder, captions))
        figures |= {f"{level}.{name}": figure for name, figure in shares(hits).items()}
    return figures
