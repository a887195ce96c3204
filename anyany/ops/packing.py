"""Attention for rows that hold several samples.

Shape letters: B batch, T tokens, P tokens of all rows, N segments, L tokens of the longest of these, K keys.
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
    keys_NK: Tensor | None = None  # slots of what they look at, where that is more than themselves
    sees_NLK: Tensor | None = None  # which of it; None is each token's own past


@dataclass(frozen=True)
class Halves:
    """All segments in two, as two rows, each behind a token of no segment, so that none is ever empty."""

    before_P: Tensor  # slots in the flattened rows
    after_P: Tensor
    first: list[Segments]  # within the first row
    then: list[Segments]  # within the second; its keys are those of the first row and of its own


def segments_by_length(segment_ids_BT: Tensor) -> list[Segments]:
    """All segments, those between two powers of two together. Padding (segment -1) is in none."""
    starts_N, lengths_N = _spans(segment_ids_BT)
    return [_together(starts_N[some], lengths_N[some]) for some in _groups(lengths_N)]


def halves(segment_ids_BT: Tensor, is_marked_BT: Tensor) -> Halves:
    """Each segment up to its first marked token, and from it on; the last token counts as marked."""
    starts_N, lengths_N = _spans(segment_ids_BT)
    of_P = torch.arange(len(starts_N), device=starts_N.device).repeat_interleave(lengths_N)
    at_P = torch.arange(len(of_P), device=of_P.device) - (lengths_N.cumsum(0) - lengths_N)[of_P]
    slots_P = starts_N[of_P] + at_P
    marked_at_P = torch.where(is_marked_BT.flatten()[slots_P], at_P, lengths_N[of_P] - 1)
    num_before_N = torch.zeros_like(lengths_N).scatter_reduce(0, of_P, marked_at_P, "amin", include_self=False)
    is_before_P = at_P < num_before_N[of_P]
    nothing_1 = slots_P.new_zeros(1)
    before_P, after_P = (torch.cat([nothing_1, slots_P[some]]) for some in (is_before_P, ~is_before_P))
    num_after_N = lengths_N - num_before_N
    first_at_N, then_at_N = (1 + some_N.cumsum(0) - some_N for some_N in (num_before_N, num_after_N))
    begun_N = num_before_N > 0
    first = [
        _together(first_at_N[begun_N][some], num_before_N[begun_N][some]) for some in _groups(num_before_N[begun_N])
    ]
    then = [
        _behind(first_at_N[some], num_before_N[some], then_at_N[some], num_after_N[some], len(before_P))
        for some in _groups(lengths_N)
    ]
    return Halves(before_P, after_P, first, then)


def _behind(first_at_N: Tensor, num_before_N: Tensor, then_at_N: Tensor, num_after_N: Tensor, size: int) -> Segments:
    """Second halves, which begin at ``then_at_N`` of their row; their row's keys come behind ``size`` others."""
    own = _together(then_at_N, num_after_N)
    at_1K = torch.arange(int((num_before_N + num_after_N).max()), device=first_at_N.device)[None]
    is_before_NK = at_1K < num_before_N[:, None]
    behind_NK = size + then_at_N[:, None] + (at_1K - num_before_N[:, None]).clamp(max=num_after_N[:, None] - 1)
    at_NL = num_before_N[:, None] + own.slots_NL - then_at_N[:, None]
    return Segments(
        own.slots_NL,
        own.is_real_NL,
        torch.where(is_before_NK, first_at_N[:, None] + at_1K, behind_NK),
        at_1K[:, None] <= at_NL[:, :, None],
    )


def _spans(segment_ids_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Starts and lengths ``[N]`` of the segments in the flattened rows."""
    num_rows, num_tokens = segment_ids_BT.shape
    rows_B1 = torch.arange(num_rows, device=segment_ids_BT.device)[:, None]
    runs = (segment_ids_BT + rows_B1 * (num_tokens + 1)).flatten()  # ids are below T, so rows do not run together
    _, lengths_N = torch.unique_consecutive(runs, return_counts=True)
    starts_N = lengths_N.cumsum(0) - lengths_N
    is_text_N = segment_ids_BT.flatten()[starts_N] >= 0
    return starts_N[is_text_N], lengths_N[is_text_N]


def _groups(lengths_N: Tensor) -> list[Tensor]:
    """Masks ``[N]``: which lie between the same two powers of two."""
    groups_N = lengths_N.clamp(min=SHORTEST).sub(1).float().log2().floor()
    return [groups_N == group for group in groups_N.unique()]


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
