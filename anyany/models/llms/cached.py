"""What the LLMs of transformers do alike: states of whole rows, and of rows that grow token by token.

Shape letters: B batch, T tokens, S tokens seen so far and these, P tokens of all rows, D width.
"""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from anyany.models.contracts import LLM
from anyany.ops.packing import Halves, Segments, halves, segments_by_length


class TransformersLLM(LLM):
    @property
    @abstractmethod
    def base(self) -> Any:
        """The network of transformers from embeddings to states."""

    def forward(
        self,
        embeddings_BTD: Tensor,
        position_ids_BT: Tensor,
        segment_ids_BT: Tensor,
        is_learned_BT: Tensor | None = None,
    ) -> Tensor:
        if is_learned_BT is not None and torch.is_grad_enabled() and self._is_frozen():
            return self._in_halves(embeddings_BTD, position_ids_BT, halves(segment_ids_BT, is_learned_BT))
        return self.base(
            inputs_embeds=embeddings_BTD,
            attention_mask=None,
            position_ids=position_ids_BT,
            use_cache=False,
            segments=segments_by_length(segment_ids_BT),  # for attention, see there
        ).last_hidden_state

    def _is_frozen(self) -> bool:
        return not any(parameter.requires_grad for parameter in self.base.parameters())

    def _in_halves(self, embeddings_BTD: Tensor, position_ids_BT: Tensor, parts: Halves) -> Tensor:
        """First halves without a graph, then second ones, which see them. Padding has no states: zeros.

        Whatever the rows hold, the network is called twice, so that ranks that share it out stay in step.
        """
        from transformers import DynamicCache

        embeddings_PD, positions_P, cache = embeddings_BTD.flatten(0, 1), position_ids_BT.flatten(), DynamicCache()

        def states(slots_P: Tensor, segments: list[Segments]) -> Tensor:
            return self.base(
                inputs_embeds=embeddings_PD[slots_P].unsqueeze(0),
                attention_mask=None,
                position_ids=positions_P[slots_P].unsqueeze(0),
                past_key_values=cache,
                use_cache=True,
                segments=segments,
            ).last_hidden_state.squeeze(0)

        with torch.no_grad():
            before_PD = states(parts.before_P, parts.first)
        after_PD = states(parts.after_P, parts.then)
        slots_P = torch.cat([parts.before_P[1:], parts.after_P[1:]])
        made_PD = torch.cat([before_PD[1:], after_PD[1:]])
        states_PD = made_PD.new_zeros(embeddings_PD.shape).index_copy(0, slots_P, made_PD)
        return (states_PD + 0 * after_PD[0]).unflatten(0, embeddings_BTD.shape[:2])  # a graph, if of padding alone

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
