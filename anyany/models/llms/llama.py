"""A Llama from numbers, untrained.

Shape letters: B batch, T tokens, D width, A added tokens, P positions.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel

from anyany.models.llms import attention
from anyany.models.llms.cached import TransformersLLM
from anyany.models.llms.tokenizers import byte_level

_NUM_BYTES = 256


class Llama(TransformersLLM):
    """Hugging Face's Llama over bytes, with input and output embeddings tied."""

    tokenizer_json = byte_level()
    num_known = _NUM_BYTES

    def __init__(
        self,
        hidden_size: int = 128,
        num_layers: int = 4,
        num_heads: int = 4,
        max_tokens: int = 2048,
        template: str = "tiny",
    ):
        super().__init__()
        self.dim = hidden_size
        self.template = template
        config = LlamaConfig(
            vocab_size=_NUM_BYTES,
            hidden_size=hidden_size,
            intermediate_size=4 * hidden_size,
            num_hidden_layers=num_layers,
            num_attention_heads=num_heads,
            max_position_embeddings=max_tokens,
        )
        self.init_std = config.initializer_range
        config._attn_implementation = attention.register()
        self.model = LlamaModel(config)
        self.added_AD = nn.Parameter(torch.empty(0, hidden_size))

    def add_tokens(self, num_tokens: int) -> None:
        self.added_AD = nn.Parameter(torch.randn(num_tokens - _NUM_BYTES, self.dim) * self.init_std)

    def embed(self, input_ids_BT: Tensor) -> Tensor:
        return nn.functional.embedding(input_ids_BT, self._rows())

    @property
    def base(self) -> Any:
        return self.model

    def head(self, hidden_PD: Tensor) -> Tensor:
        return hidden_PD @ self._rows().T

    def _rows(self) -> Tensor:
        return torch.cat([self.model.embed_tokens.weight, self.added_AD])
