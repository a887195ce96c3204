"""Attention for rows that hold several samples.

Shape letters: B batch, T tokens.
"""

import torch
from torch import Tensor


def segment_mask(segment_ids_BT: Tensor, dtype: torch.dtype) -> Tensor:
    """``[B, 1, T, T]`` additive mask: 0 where a token may look (itself and earlier ones of its segment), else lowest.

    Additive and four-dimensional because a bool one is misread by some attention implementations. Padding tokens
    (segment -1) see one another, which keeps their softmax finite; nothing reads their states.
    """
    same_BTT = segment_ids_BT.unsqueeze(2) == segment_ids_BT.unsqueeze(1)
    sees_BTT = same_BTT.tril()
    mask_BTT = torch.zeros_like(sees_BTT, dtype=dtype).masked_fill(~sees_BTT, torch.finfo(dtype).min)
    return mask_BTT.unsqueeze(1)
