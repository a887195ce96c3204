"""What the finished parts can do, on combinations that no training record holds."""

import json
from collections.abc import Sequence
from functools import partial

import torch
from rich.progress import Progress
from torch import Tensor

from anyany.evaluation.decoders import draw
from anyany.evaluation.oracles import read_back, shares
from anyany.figures import Figure
from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.levels import LEVELS
from anyany.microworld.records import Members, make_record
from anyany.microworld.scenes import Scene, from_json
from anyany.microworld.turns import EXTENSIONS
from anyany.models.contracts import Decoder
from data_prep.parts.pools import SEED, TRAINED_ON

SPLIT = "test_novel"
NUMBER = 300  # as many as a shard's set has by default


def records(modality: str, level: str, number: int, split: str = SPLIT) -> list[Members]:
    """The first of a split's pairs."""
    return [make_record(SEED, level, split, modality, index) for index in range(number)]


def told(pairs: Sequence[Members]) -> tuple[list[str], list[Scene]]:
    """Captions and scenes."""
    scenes = [from_json(json.loads(members["scene.json"])) for members in pairs]
    return [members["txt"].decode() for members in pairs], scenes


def shown(pairs: Sequence[Members], modality: str, level: str, num_frames: int) -> list[Tensor]:
    """The media, decoded."""
    spec = MediaSpec(num_frames, LEVELS[level].sample_rate_hz)
    return [MEDIA[modality].decode(members[EXTENSIONS[modality]], spec) for members in pairs]


@torch.no_grad()
def drawn(decoder: Decoder, levels: Sequence[str] = TRAINED_ON, number: int = NUMBER) -> dict[str, Figure]:
    """The oracle's shares of what the decoder draws for captions, by level."""
    figures: dict[str, Figure] = {}
    for level in levels:
        captions, scenes = told(records(decoder.modality, level, number))
        with Progress() as progress:
            task = progress.add_task(f"{decoder.modality} of {level} captions", total=number)
            media = draw(decoder, captions, told=partial(progress.advance, task))
        hits = read_back(scenes, media)
        figures |= {f"{level}.{name}": figure for name, figure in shares(hits).items()}
    return figures
