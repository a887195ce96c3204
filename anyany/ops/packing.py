"""Attention for rows that hold several samples.

Shape letters: B batch, T tokens, N segments of about one length, L tokens of the longest of these.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

SHORTEST = 16  # shorter segments count as long as this: fewer groups, and padding that costs next to nothing


@dataclass(frozen=True)
class Segments:
    """Segments of about one length, to be looked at as a batch of their own."""

    slots_NL: Tensor  # of their tokens in the flattened rows; a shorter segment goes on with its last token
    is_real_NL: Tensor


def segments_by_length(segment_ids_BT: Tensor) -> list[Segments]:
    """All segments, those between two powers of two together. Padding (segment -1) is in none."""
    num_rows, num_tokens = segment_ids_BT.shape
    rows_B1 = torch.arange(num_rows, device=segment_ids_BT.device)[:, None]
    runs = (segment_ids_BT + rows_B1 * (num_tokens + 1)).flatten()  # ids are below T, so rows do not run together
    _, lengths_N = torch.unique_consecutive(runs, return_counts=True)
    starts_N = lengths_N.cumsum(0) - lengths_N
    is_text_N = segment_ids_BT.flatten()[starts_N] >= 0
    starts_N, lengths_N = starts_N[is_text_N], lengths_N[is_text_N]
    groups_N = lengths_N.clamp(min=SHORTEST).sub(1).float().log2().floor()
    return [_together(starts_N[groups_N == group], lengths_N[groups_N == group]) for group in groups_N.unique()]


def _together(starts_N: Tensor, lengths_N: Tensor) -> Segments:
    at_L = torch.arange(int(lengths_N.max()), device=starts_N.device)
    slots_NL = starts_N[:, None] + torch.minimum(at_L, lengths_N[:, None] - 1)
    return Segments(slots_NL, at_L < lengths_N[:, None])


def segment_mask(segment_ids_BT: Tensor, dtype: torch.dtype) -> Tensor:
    """The plain way: ``[B, 1, T, T]`` additive mask, 0 where a token may look (itself and earlier ones of its segment).

    Elsewhere it is the lowest number. Additive and four-dimensional because a bool one is misread by some attention
    implementations. Padding tokens (segment -1) see one another, which keeps their softmax finite; nothing reads their
    states.
    """
    same_BTT = segment_ids_BT.unsqueeze(2) == segment_ids_BT.unsqueeze(1)
    sees_BTT = same_BTT.tril()
    mask_BTT = torch.zeros_like(sees_BTT, dtype=dtype).masked_fill(~sees_BTT, torch.finfo(dtype).min)
    return mask_BTT.unsqueeze(1)
