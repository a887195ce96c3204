"""How a language model learns from conversations: packed into rows, what is shown in them given as a blur of its words.

Shape letters: B rows, T tokens of a row, P predicted tokens, N descriptions, K rows of each, L tokens, D width.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaForCausalLM

from anyany.messages.render import IGNORE_INDEX, Rendered, render
from anyany.messages.vocabulary import RowTokens, Vocabulary
from anyany.microworld.scenes import SCENES
from anyany.ops.packing import segment_mask
from data_prep.parts.blur import blurred
from data_prep.parts.training import Draw, Recipe
from data_prep.parts.words import Mixture, text_sample

TEMPLATE = "tiny"
ROW_TOKENS = 256
PROMPT_WEIGHT = 0.1  # of the tokens of requests, most of which nothing can foresee
SHOWN_ROWS = 8  # of what is shown
SHOWN = {modality: RowTokens(f"<|{modality}|>", SHOWN_ROWS) for modality in SCENES}


class ConversationRecipe(Recipe):
    """The next token of conversations; requests count little."""

    def __init__(
        self,
        name: str,
        model: LlamaForCausalLM,
        tokenizer_json: str,
        mixture: Mixture,
        steps: int,
        rows: int,
        learning_rate: float,
        ends: tuple[str, ...] | None = None,
    ):
        self.name, self.module, self.mixture = name, model, mixture
        self.steps, self.rows, self.learning_rate, self.ends = steps, rows, learning_rate, ends
        self.identity = f"{steps} steps of {rows} rows of {ROW_TOKENS}"
        self.vocabulary = Vocabulary(tokenizer_json, TEMPLATE, SHOWN)

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        rows = [self._row(draw.rng) for _ in range(self.rows)]
        input_ids_BT, labels_BT, position_ids_BT, segment_ids_BT = (
            torch.from_numpy(np.stack(arrays)).to(draw.device) for arrays in zip(*(row for row, _ in rows), strict=True)
        )
        hidden_BTD = self.module.model(
            inputs_embeds=self._embedded(input_ids_BT, [texts for _, texts in rows], draw),
            position_ids=position_ids_BT,
            attention_mask=segment_mask(segment_ids_BT, torch.float32),
            use_cache=False,
        ).last_hidden_state
        follows_BT = (segment_ids_BT[:, 1:] == segment_ids_BT[:, :-1]) & (segment_ids_BT[:, 1:] >= 0)
        is_shown_BT = input_ids_BT >= self.module.config.vocab_size
        follows_BT &= ~is_shown_BT[:, 1:]
        logits_PV = self.module.lm_head(hidden_BTD[:, :-1][follows_BT]).float()
        losses_P = F.cross_entropy(logits_PV, input_ids_BT[:, 1:][follows_BT], reduction="none")
        is_reply_P = labels_BT[:, 1:][follows_BT] != IGNORE_INDEX
        return {"reply": losses_P[is_reply_P].mean(), "request": PROMPT_WEIGHT * losses_P[~is_reply_P].mean()}

    def _embedded(self, input_ids_BT: Tensor, texts: Sequence[Sequence[list[int]]], draw: Draw) -> Tensor:
        """[B, T, D] of the words, and of what is shown a blur of its description."""
        embed = self.module.get_input_embeddings()
        is_shown_BT = input_ids_BT >= self.module.config.vocab_size
        embedded_BTD = embed(input_ids_BT.masked_fill(is_shown_BT, self.vocabulary.pad_id))
        ids = [torch.tensor(one, device=draw.device) for some in texts for one in some]
        if not ids:
            return embedded_BTD
        lengths_N = torch.tensor([len(one) for one in ids], device=draw.device)
        embeddings_NLD = embed(pad_sequence(ids, batch_first=True, padding_value=self.vocabulary.pad_id))
        number, longest, width = embeddings_NLD.shape
        uniform_NKL, uniform_NK2 = (draw.uniform(number, SHOWN_ROWS, last) for last in (longest, 2))
        rows_NKD = blurred(embeddings_NLD, lengths_N, uniform_NKL, uniform_NK2, draw.normal(number, SHOWN_ROWS, width))
        return embedded_BTD.masked_scatter(is_shown_BT.unsqueeze(-1), rows_NKD)

    def _row(self, rng: np.random.Generator) -> tuple[tuple[np.ndarray, ...], list[list[int]]]:
        """ids, labels, positions and segments [T] of samples drawn until the next one does not fit; what they show."""
        samples: list[Rendered] = []
        while True:
            sample = render(text_sample(rng, self.mixture), self.vocabulary)
            if sum(map(len, samples)) + len(sample) > ROW_TOKENS:
                shown = [medium.caption or "" for one in samples for medium in one.media]
                return self._packed(samples), list(map(self.vocabulary.text_ids, shown))
            samples.append(sample)

    def _packed(self, samples: Sequence[Rendered]) -> tuple[np.ndarray, ...]:
        ends = np.cumsum([0, *map(len, samples)])
        row = np.full((4, ROW_TOKENS), [[self.vocabulary.pad_id], [IGNORE_INDEX], [0], [-1]])
        for index, (sample, (first, last)) in enumerate(zip(samples, pairwise(ends), strict=True)):
            row[:, first:last] = (
                sample.input_ids_T,
                sample.labels_T,
                np.arange(len(sample)),
                np.full(len(sample), index),
            )
        return tuple(row)
