"""Whether an encoder of a joint space picks the right caption for a medium out of many.

Shape letters: N media, M captions, D width of the joint space.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from anyany.figures import Figure, share
from anyany.microworld.levels import novel_pairs
from anyany.microworld.scenes import Scene

CHOICES = 100


def candidates(scene: Scene, others: Sequence[Scene], rng: np.random.Generator, number: int = CHOICES) -> list[int]:
    """Indices of ``number - 1`` different scenes that are not this one, those with novel pairs first; or of all."""
    order = sorted(rng.permutation(len(others)).tolist(), key=lambda index: not novel_pairs(others[index]))
    return [index for index in order if others[index] != scene][: number - 1]


def right_first(media_ND: Tensor, own_ND: Tensor, others_MD: Tensor, candidates_N: Sequence[Sequence[int]]) -> Figure:
    """The share of media to which their own caption is nearer than each of their candidates; a tie is wrong."""
    own_N = (media_ND * own_ND).sum(-1)
    scores_NM = media_ND @ others_MD.T
    hits = sum(
        bool(own > row[torch.tensor(chosen)].max())
        for own, row, chosen in zip(own_N, scores_NM, candidates_N, strict=True)
    )
    return share(hits, len(media_ND))
