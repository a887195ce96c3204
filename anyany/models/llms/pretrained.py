"""Any causal language model of transformers, from the folder that ``save_pretrained`` wrote.

Shape letters: B batch, T tokens, D width, V vocabulary, A added tokens, P positions.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from anyany.models.llms import attention
from anyany.models.llms.cached import TransformersLLM
from anyany.models.llms.lora import ATTENTION, Lora, insert, without
from anyany.models.weights import digest_of_folder

SPREAD = 0.1  # of the rows of new tokens around the mean row, in standard deviations of all rows
LAST_ALONE = {"output_hidden_states": False, "output_attentions": False}  # a published config may ask for all layers'


class PretrainedLLM(TransformersLLM):
    """Frozen, but for the rows of new tokens, which are parameters of their own.

    Models often have more rows than their tokenizer has tokens. Ids begin where the tokenizer ends, so the rows of new
    tokens stand in place of such spare ones.

    Args:
        folder: with ``config.json``, ``tokenizer.json`` and safetensors.
        template: how the LLM was taught to see turns; a name of ``anyany.messages.templates``.
        lora_rank: of low-rank changes of attention's layers, which train too; 0 is none.
        lora_alpha: over the rank it scales them; None is the rank.
    """

    llm: Any  # a class of transformers

    def __init__(
        self,
        folder: str | Path,
        template: str,
        lora_rank: int = 0,
        lora_alpha: int | None = None,
        lora_dropout: float = 0.0,
        lora_targets: Sequence[str] = ATTENTION,
    ):
        from transformers import AutoConfig, AutoModelForCausalLM

        super().__init__()
        self.folder, self.origin, self.template = Path(folder), str(folder), template
        self.lora = Lora(lora_rank, lora_alpha or lora_rank, lora_dropout, lora_targets) if lora_rank else None
        for name in ("config.json", "tokenizer.json"):
            if not (self.folder / name).is_file():
                raise ValueError(f"{folder} has no {name}; expected a folder that save_pretrained wrote")
        config = AutoConfig.from_pretrained(self.folder, **LAST_ALONE)
        config._attn_implementation = attention.register()
        with torch.device("meta"):
            self.llm = AutoModelForCausalLM.from_config(config).requires_grad_(False)
        self.dim = config.hidden_size
        self.is_tied = bool(config.tie_word_embeddings)
        self.tokenizer_json = (self.folder / "tokenizer.json").read_text(encoding="utf-8")
        self.num_known = Tokenizer.from_str(self.tokenizer_json).get_vocab_size(with_added_tokens=True)
        self._check_rows(self.llm.get_input_embeddings().num_embeddings)
        self.add_tokens(self.num_known)

    def add_tokens(self, num_tokens: int) -> None:
        """One parameter where the LLM reads and writes with the same rows, two where it does not."""
        shape = (num_tokens - self.num_known, self.dim)
        self.added_AD = nn.Parameter(torch.zeros(shape))
        self.added_out_AD = self.added_AD if self.is_tied else nn.Parameter(torch.zeros(shape))

    def load(self) -> None:
        """Brings the weights in fp32, in eval mode. New rows begin near the mean of all rows."""
        from transformers import AutoModelForCausalLM

        options = {"use_safetensors": True, "dtype": torch.float32, "attn_implementation": attention.SEGMENTS}
        self.llm = AutoModelForCausalLM.from_pretrained(self.folder, **options, **LAST_ALONE)
        self.llm.requires_grad_(False).eval()
        if self.lora is not None:
            insert(self.llm, self.lora)
        _begin_near(self.added_AD, self.llm.get_input_embeddings().weight[: self.num_known])
        if not self.is_tied:
            _begin_near(self.added_out_AD, self.llm.get_output_embeddings().weight[: self.num_known])

    def digest(self) -> str:
        return digest_of_folder(self.folder)

    def embed(self, input_ids_BT: Tensor) -> Tensor:
        is_added_BT = input_ids_BT >= self.num_known
        known_BTD = self.llm.get_input_embeddings()(input_ids_BT.masked_fill(is_added_BT, 0))
        if not len(self.added_AD):
            return known_BTD
        added_BTD = nn.functional.embedding((input_ids_BT - self.num_known).clamp(min=0), self.added_AD)
        return torch.where(is_added_BT.unsqueeze(-1), added_BTD.to(known_BTD), known_BTD)

    @property
    def base(self) -> Any:
        return self.llm.model

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        with without(self.llm):
            yield

    def head(self, hidden_PD: Tensor) -> Tensor:
        known_PV = self.llm.get_output_embeddings()(hidden_PD)[:, : self.num_known]
        return torch.cat([known_PV, hidden_PD @ self.added_out_AD.to(hidden_PD).T], dim=-1)

    def _check_rows(self, num_rows: int) -> None:
        if num_rows < self.num_known:
            raise ValueError(
                f"{self.folder}: the tokenizer has {self.num_known} tokens, the model {num_rows} rows; "
                "expected at least as many, so one of them belongs to another model"
            )


@torch.no_grad()
def _begin_near(added_AD: Tensor, known_VD: Tensor) -> None:
    added_AD.copy_(known_VD.mean(0) + SPREAD * known_VD.std() * torch.randn(added_AD.shape))
