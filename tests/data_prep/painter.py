"""A decoder that makes what its captions say, but for those that tell it otherwise."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anyany.media.table import MEDIA, MediaSpec
from anyany.microworld.levels import LEVELS
from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.records import render
from anyany.models.contracts import ConditioningSpec, Decoder
from anyany.seeds import rng_of
from data_prep import shipped

LEVEL = "standard"
OTHERS = {  # what is made of a caption, by modality, in place of what it says
    "image": "two large blue squares on the left",
    "video": "a cyan cross moving down slowly",
    "audio": "three short high flat tones",
}


class Painter(Decoder):
    """A conditioning is the index of a caption. Items of odd index are another scene, every fifth is nothing."""

    spec = ConditioningSpec(1, 1)

    def __init__(self, folder: object = None, modality: str = "image"):
        super().__init__()
        self.modality, self.captions, self.is_loaded = modality, [], False
        self.folder = Path(str(folder))

    def load(self) -> None:
        self.is_loaded = True

    def condition(self, captions: list[str]) -> Tensor:
        assert self.is_loaded
        self.captions = list(captions)
        return torch.arange(float(len(captions))).reshape(-1, 1, 1)

    def generate(self, conditioning_NLD: Tensor, seeds: list[int]) -> Tensor:
        return torch.stack([self._made(int(index)) for index in conditioning_NLD.flatten()])

    def _made(self, index: int) -> Tensor:
        level = LEVELS[LEVEL]
        said = OTHERS[self.modality] if index % 2 else self.captions[index]
        scene = read_caption(said, self.modality)
        data = render(scene, level, rng_of("painter", index))
        item = MEDIA[self.modality].decode(data, MediaSpec(level.num_frames, level.sample_rate_hz))
        return torch.zeros_like(item) if index % 5 == 4 else item

    def digest(self, captions_only: bool = False) -> str:
        return "painter"

    encode = denoising_loss = load


class Picture(Painter):
    def __init__(self, folder: object):
        super().__init__(folder, "image")


class Clip(Painter):
    def __init__(self, folder: object):
        super().__init__(folder, "video")


class Sound(Painter):
    def __init__(self, folder: object):
        super().__init__(folder, "audio")


def painted(conf: Path, kinds: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets painters stand for the decoders that ship: name -> class."""
    conf.mkdir()
    for name, kind in kinds.items():
        (conf / f"{name}.yaml").write_text(f"name: {name}\n_target_: tests.data_prep.painter.{kind}\nfolder: x\n")
    monkeypatch.setattr(shipped, "CONF", conf)
