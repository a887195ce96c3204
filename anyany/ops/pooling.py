"""Fewer features in the same order.

Shape letters: N media items, L features, K rows, D width.
"""

import torch.nn.functional as F
from torch import Tensor


def pooled(features_NLD: Tensor, num: int) -> Tensor:
    """``[N, num, D]``: means of neighbours; stretches overlap where L is no multiple of ``num``."""
    if num == features_NLD.shape[1]:
        return features_NLD
    return F.adaptive_avg_pool1d(features_NLD.transpose(1, 2), num).transpose(1, 2)
