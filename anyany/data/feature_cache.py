"""What frozen parts give for a shard, computed once: features of media that are read, conditioning of targets.

A file a shard, in a folder whose name is a digest of all that decides the numbers, so another part, other weights or
another preprocessing never meet it. Files appear whole, so several processes may fill a folder side by side.

Shape letters: R records of a shard, M items of all of them, in order; ... is an item's shape.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anyany.data.index import ShardHeader
from anyany.files import whole
from anyany.seeds import digest_of

UNREADABLE = -1  # in place of a record's number of items: it becomes a hole in its turn


@dataclass(frozen=True)
class FeatureCache:
    """Items of one modality, all of one shape. Picklable: data workers each have one.

    Args:
        recipes: by source, what its recipe does: it decides which items a record has, and in which order.
    """

    folder: Path
    item_shape: tuple[int, ...]
    recipes: Mapping[str, str]

    def path(self, source: str, header: ShardHeader) -> Path:
        told = (header.url, header.size_bytes, header.digest, self.recipes[source])
        return self.folder / f"{digest_of(*told).hex()}.safetensors"

    def write(self, source: str, header: ShardHeader, items: Sequence[Sequence[Tensor] | None]) -> None:
        """The items of each record in order; None for a record that could not be read. They are stored in fp16."""
        from safetensors.torch import save_file

        counts_R = [UNREADABLE if some is None else len(some) for some in items]
        flat = [item for some in items for item in some or ()]
        stacked = torch.stack(flat).half() if flat else torch.empty(0, *self.item_shape, dtype=torch.float16)
        if tuple(stacked.shape[1:]) != self.item_shape:
            raise ValueError(f"items of shape {list(stacked.shape[1:])} for a cache of {list(self.item_shape)}")
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole(self.path(source, header)) as temporary:
            save_file({"items": stacked.contiguous(), "counts": torch.tensor(counts_R)}, temporary)

    def read(self, source: str, header: ShardHeader, record: int) -> Tensor | None:
        """``[items, ...]`` of a record in fp16; None where it could not be read.

        Raises:
            FileNotFoundError: the shard's file is not there.
        """
        path = self.path(source, header)
        first, count = _places(path)[record]
        if count == UNREADABLE:
            return None
        return _opened(path).get_slice("items")[first : first + count]


@lru_cache(maxsize=64)
def _opened(path: Path) -> Any:
    from safetensors import safe_open

    return safe_open(path, framework="pt")


@lru_cache(maxsize=64)
def _places(path: Path) -> list[tuple[int, int]]:
    """(first item, number of items) of each record."""
    counts = _opened(path).get_tensor("counts").tolist()
    ends = accumulate(max(count, 0) for count in counts)
    return [(end - max(count, 0), count) for end, count in zip(ends, counts, strict=True)]
