"""Embeddings of captions as sums: one vector for each value of each attribute, all of one length, at right angles.

A denoiser that is to make what it never heard named together has nothing to go by but the sum of what it knows. Where a
text encoder found the vectors itself, what it gave for novel pairs lay 5 % of the variance or more beside the sum: with
it 0.55 of novel sounds came out right, with the sum itself 0.72.

Shape letters: N items, V values of an attribute, U vectors that are nobody's, D width of an embedding.
"""

from collections.abc import Sequence

import torch
from scipy.linalg import hadamard
from torch import Tensor

from anyany.microworld.questions import VALUES
from anyany.microworld.scenes import Scene


class Code:
    """What an embedding is to be: of unit norm, the sum of a vector for each attribute.

    Args:
        names: of the attributes; that one is not said is a value too, its last.
        width: a power of two, at least the number of all values: the vectors are rows of a Hadamard matrix.
    """

    def __init__(self, names: Sequence[str], width: int):
        sizes = [len(VALUES[name]) + 1 for name in names]
        assert width >= sum(sizes), (width, sizes)
        rows_DD = torch.from_numpy(hadamard(width)).float() / (width * len(names)) ** 0.5
        *tables, self.free_UD = rows_DD.split([*sizes, width - sum(sizes)])
        self.tables_VD = dict(zip(names, tables, strict=True))

    def __call__(self, scenes: Sequence[Scene]) -> Tensor:
        """``[N, D]``, each the code of a scene of one kind of thing."""
        return torch.stack([self._of(scene) for scene in scenes])

    def _of(self, scene: Scene) -> Tensor:
        (thing,) = scene.things
        vectors = [table_VD[_index(name, getattr(thing, name))] for name, table_VD in self.tables_VD.items()]
        return torch.stack(vectors).sum(0)


def _index(name: str, value: object) -> int:
    return len(VALUES[name]) if value is None else VALUES[name].index(value)
