"""Any causal language model of transformers, from the folder that ``save_pretrained`` wrote.

Shape letters: B batch, T tokens, D width, V vocabulary, A added tokens, P positions.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anyany.models.contracts import LLM
from anyany.ops.packing import segment_mask

ADDED_STD = 0.02  # of the rows of new tokens before they are trained


class PretrainedLLM(LLM):
    """The rows of new tokens are a parameter of their own, for input and output alike.

    Args:
        folder: with ``config.json``, ``tokenizer.json`` and safetensors.
        template: how the LLM was taught to see turns; a name of ``anyany.messages.templates``.
    """

    def __init__(self, folder: str | Path, template: str):
        from transformers import AutoConfig, AutoModelForCausalLM

        super().__init__()
        self.folder, self.template = Path(folder), template
        if not (self.folder / "config.json").is_file():
            raise ValueError(f"{folder} has no config.json; expected a folder that save_pretrained wrote")
        config = AutoConfig.from_pretrained(self.folder)
        config._attn_implementation = "sdpa"
        with torch.device("meta"):
            self.llm: Any = AutoModelForCausalLM.from_config(config)
        self.dim = config.hidden_size
        self.tokenizer_json = (self.folder / "tokenizer.json").read_text(encoding="utf-8")
        self.added_AD = nn.Parameter(torch.empty(0, self.dim))
        self.llm.requires_grad_(False)

    def load(self) -> None:
        """Brings the weights, in fp32, frozen and in eval mode."""
        from transformers import AutoModelForCausalLM

        self.llm = AutoModelForCausalLM.from_pretrained(
            self.folder, use_safetensors=True, dtype=torch.float32, attn_implementation="sdpa"
        )
        self.llm.requires_grad_(False)
        self.llm.eval()

    def add_tokens(self, num_tokens: int) -> None:
        self.added_AD = nn.Parameter(torch.randn(num_tokens - self.num_known, self.dim) * ADDED_STD)

    @property
    def num_known(self) -> int:
        """Rows of the folder's own vocabulary."""
        return self.llm.get_input_embeddings().num_embeddings

    def embed(self, input_ids_BT: Tensor) -> Tensor:
        is_added_BT = input_ids_BT >= self.num_known
        known_BTD = self.llm.get_input_embeddings()(input_ids_BT.masked_fill(is_added_BT, 0))
        if not len(self.added_AD):
            return known_BTD
        added_BTD = nn.functional.embedding((input_ids_BT - self.num_known).clamp(min=0), self.added_AD)
        return torch.where(is_added_BT.unsqueeze(-1), added_BTD.to(known_BTD), known_BTD)

    def forward(self, embeddings_BTD: Tensor, position_ids_BT: Tensor, segment_ids_BT: Tensor) -> Tensor:
        return self.llm.model(
            inputs_embeds=embeddings_BTD,
            attention_mask=segment_mask(segment_ids_BT, embeddings_BTD.dtype),
            position_ids=position_ids_BT,
            use_cache=False,
        ).last_hidden_state

    def head(self, hidden_PD: Tensor) -> Tensor:
        known_PV = self.llm.get_output_embeddings()(hidden_PD)
        return torch.cat([known_PV, hidden_PD @ self.added_AD.to(hidden_PD).T], dim=-1)
