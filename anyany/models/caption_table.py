"""What a decoder's text encoder gave for captions, kept in a file: to align with where the decoder itself is not there.

Shape letters: C captions, N of them that are asked for, L positions and D width of a conditioning.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from anyany.files import whole
from anyany.models.contracts import ConditioningSpec
from anyany.models.weights import digest_of_files

_TOLD = "table"  # one entry of the header: safetensors orders several as it likes, and the file would not be the same


class CaptionTable:
    """The conditioning of the captions in the file, and of no others.

    Args:
        file: as ``write_table`` writes it.
    """

    def __init__(self, file: str | Path):
        from safetensors import safe_open

        self.file = Path(file)
        if not self.file.is_file():
            raise ValueError(f"{file} is not there; `python -m data_prep.caption_embeddings` writes such a file")
        with safe_open(self.file, framework="pt") as opened:
            _, length, dim = opened.get_slice("items").get_shape()
            told = json.loads(opened.metadata()[_TOLD])
        self.spec = ConditioningSpec(length, dim, told["normalised"])
        self.captions = {_plain(caption): n for n, caption in enumerate(told["captions"])}

    def load(self, captions_only: bool = False) -> None:
        """Nothing: items are read where they are asked for."""

    def digest(self, captions_only: bool = False) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest_of_files([self.file])

    def condition(self, captions: Sequence[str]) -> Tensor:
        """``[N, L, D]`` in fp32.

        Raises:
            ValueError: for a caption that the table does not hold.
        """
        from safetensors import safe_open

        if unknown := [caption for caption in captions if _plain(caption) not in self.captions]:
            raise ValueError(f"{self.file} holds {len(self.captions)} captions, but not {unknown[0]!r}")
        with safe_open(self.file, framework="pt") as opened:
            items_CLD = opened.get_slice("items")
            return torch.stack([items_CLD[self.captions[_plain(caption)]] for caption in captions]).float()


def _plain(caption: str) -> str:
    """White space does not tell captions apart: published ones begin and end with some, samples do not."""
    return " ".join(caption.split())


def write_table(file: Path, captions: Sequence[str], items_CLD: Tensor) -> None:
    """Keeps the items in fp16, and whether each of their positions has a Euclidean norm of 1."""
    from safetensors.torch import save_file

    norms_CL = items_CLD.float().norm(dim=-1)
    is_normalised = bool((norms_CL - 1).abs().max() < 1e-2)  # fp16 rounds each value by up to 5e-4 of it
    file.parent.mkdir(parents=True, exist_ok=True)
    told = json.dumps({"captions": list(captions), "normalised": is_normalised})
    with whole(file) as temporary:
        save_file({"items": items_CLD.half().contiguous()}, temporary, metadata={_TOLD: told})
