"""Attention within segments, for the LLMs of transformers: a row of many samples costs what the samples cost.

A mask over the whole row computes every pair of its tokens, of which a row of twenty captions needs one in forty.

Shape letters: B batch, H heads, T tokens, C channels of a head, P tokens of all rows, N segments, L their tokens,
K what these look at.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from anyany.ops.packing import Segments

SEGMENTS = "segments"  # what a model's config calls it


def register() -> str:
    """Makes it known to transformers; returns its name there."""
    from transformers import AttentionInterface

    AttentionInterface.register(SEGMENTS, within_segments)
    return SEGMENTS


def within_segments(
    module: Any,
    query_BHTC: Tensor,
    key_BHTC: Tensor,
    value_BHTC: Tensor,
    attention_mask: Tensor | None,
    segments: Sequence[Segments] | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """``[B, T, H, C]``, zeros at padding. Without segments, plain attention with the mask.

    Raises:
        ValueError: with neither, as from a model that does not hand to its attention what it is given.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward as attend

    if segments is None:
        if attention_mask is None:
            raise ValueError(f"{type(module).__name__} got neither segments nor a mask, and would mix samples of a row")
        return attend(module, query_BHTC, key_BHTC, value_BHTC, attention_mask, **options)
    inputs_PHC = [values.transpose(1, 2).flatten(0, 1) for values in (query_BHTC, key_BHTC, value_BHTC)]
    slots, made = [], []
    for some in segments:
        keys_NK = some.slots_NL if some.keys_NK is None else some.keys_NK
        query_NHLC, key_NHKC, value_NHKC = (
            values_PHC[at].transpose(1, 2)
            for values_PHC, at in zip(inputs_PHC, (some.slots_NL, keys_NK, keys_NK), strict=True)
        )
        sees = None if some.sees_NLK is None else some.sees_NLK.unsqueeze(1)
        made_NLHC, _ = attend(module, query_NHLC, key_NHKC, value_NHKC, sees, is_causal=sees is None, **options)
        slots.append(some.slots_NL[some.is_real_NL])
        made.append(made_NLHC[some.is_real_NL])
    # As plain attention gives it: under autocast queries are fp32 here and values are not.
    made_PHC = torch.zeros_like(inputs_PHC[0], dtype=made[0].dtype if made else inputs_PHC[2].dtype)
    if made:
        made_PHC = made_PHC.index_copy(0, torch.cat(slots), torch.cat(made))
    else:  # padding alone: a rank whose weights are not reached leaves all others waiting for their gradients
        made_PHC = made_PHC + 0 * sum(values_PHC.sum().to(made_PHC.dtype) for values_PHC in inputs_PHC)
    return made_PHC.unflatten(0, (len(query_BHTC), -1)), None
