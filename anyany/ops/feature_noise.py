"""Noise that belongs to an item, in whatever batch it stands.

Shape letters: N items, L features, D width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def noisy(features_NLD: Tensor, scale: float, seeds: Sequence[int]) -> Tensor:
    """Moves every number by a normal draw.

    Args:
        scale: standard deviation of the draws, in units of that of each feature's own D numbers.
        seeds: N.
    """
    shape = features_NLD.shape[1:]
    # Drawn on the CPU: a GPU draws other numbers from the same seed.
    drawn_NLD = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    return features_NLD + scale * features_NLD.std(-1, keepdim=True) * drawn_NLD.to(features_NLD)
