"""What the LLMs of transformers do alike: states of whole rows, and of rows that grow token by token.

Shape letters: B batch, T tokens, S tokens seen so far and these, D width.
"""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from anyany.models.contracts import LLM
from anyany.ops.packing import segments_by_length


class TransformersLLM(LLM):
    @property
    @abstractmethod
    def base(self) -> Any:
        """The network of transformers from embeddings to states."""

    def forward(self, embeddings_BTD: Tensor, position_ids_BT: Tensor, segment_ids_BT: Tensor) -> Tensor:
        return self.base(
            inputs_embeds=embeddings_BTD,
            attention_mask=None,
            position_ids=position_ids_BT,
            use_cache=False,
            segments=segments_by_length(segment_ids_BT),  # for attention, see there
        ).last_hidden_state

    def extend(
        self, embeddings_BTD: Tensor, position_ids_BT: Tensor, visible_BS: Tensor, cache: Any = None
    ) -> tuple[Tensor, Any]:
        from transformers import DynamicCache

        made = self.base(
            inputs_embeds=embeddings_BTD,
            attention_mask=extension_mask(visible_BS, embeddings_BTD.shape[1], embeddings_BTD.dtype),
            position_ids=position_ids_BT,
            past_key_values=DynamicCache() if cache is None else cache,
            use_cache=True,
        )
        return made.last_hidden_state, made.past_key_values


def extension_mask(visible_BS: Tensor, num_new: int, dtype: torch.dtype) -> Tensor:
    """``[B, 1, T, S]`` additive mask for the last T of S tokens: each sees itself and the visible ones before it."""
    at_S = torch.arange(visible_BS.shape[1], device=visible_BS.device)
    new_T1 = at_S[len(at_S) - num_new :, None]
    sees_BTS = (visible_BS[:, None] & (at_S < new_T1)) | (at_S == new_T1)  # itself always: its softmax stays finite
    return torch.zeros_like(sees_BTS, dtype=dtype).masked_fill(~sees_BTS, torch.finfo(dtype).min).unsqueeze(1)
