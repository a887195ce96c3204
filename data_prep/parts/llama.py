"""The tiny Llama: text alone, of every kind, in the turns of a conversation.

Shape letters: B rows, T tokens of a row.
"""

from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from anyany.figures import Figure, share
from anyany.messages.render import IGNORE_INDEX, Rendered, render
from anyany.messages.templates import TEMPLATES
from anyany.messages.types import Conversation, Text
from anyany.messages.vocabulary import Vocabulary
from anyany.microworld.levels import LEVELS
from anyany.microworld.oracles.answers import is_right
from anyany.microworld.texts import KINDS
from anyany.ops.packing import segment_mask
from anyany.seeds import rng_of
from data_prep.parts.job import Job
from data_prep.parts.measures import NUMBER
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.tokenizers import llm_tokenizer
from data_prep.parts.training import Draw, Recipe
from data_prep.parts.words import ASKING, READING, text_sample

NAME = "llama"
TEMPLATE = "tiny"
VOCABULARY = 1024
MAX_TOKENS = 1024  # positions; rows of training are shorter
ROW_TOKENS = 256
STEPS = {"model": 7000, "asking": 4000}
MIXTURES = {"model": READING, "asking": ASKING}
PROMPT_WEIGHT = 0.1  # of the tokens of requests, most of which nothing can foresee
RECIPE = {
    "model": "the next token of conversations of all kinds, half of what is said of scenes in made-up words; tokens of "
    "requests count a tenth",
    "asking": "as before, but a third of the conversations are quizzes over one scene or several, mostly for yes or "
    "no, and sums and instructions come more often",
}
END = TEMPLATES[TEMPLATE].after["assistant"]
MAX_REPLY = 40  # tokens; the longest right reply has about 25


def train(job: Job) -> float:
    """Trains what is not trained yet, and writes the LLM with its tokenizer. Returns the seconds of training."""
    start = job.start(NAME, make)
    tokenizer = AutoTokenizer.from_pretrained(start)
    model = LlamaForCausalLM.from_pretrained(start, use_safetensors=True, attn_implementation="sdpa")
    tokenizer_json = tokenizer.backend_tokenizer.to_str()
    seconds = sum(job.run(TextRecipe(model, tokenizer_json, name, steps)) for name, steps in STEPS.items())
    model.cpu().half().save_pretrained(job.out / NAME)
    tokenizer.save_pretrained(job.out / NAME)
    return seconds


def measure(folder: Path, levels: Sequence[str] = TRAINED_ON, number: int = NUMBER) -> dict[str, Figure]:
    """The share of right replies to each kind of text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32).eval()
    vocabulary = Vocabulary(tokenizer.backend_tokenizer.to_str(), TEMPLATE, {})
    figures = {}
    for level, (kind, drawn) in product(levels, KINDS.items()):
        rng = rng_of("parts", NAME, "measure", level, kind)
        samples = [drawn.draw(LEVELS[level], rng, drawn.novel) for _ in range(number)]
        said = replies(model, vocabulary, [sample.messages[:-1] for sample in samples])
        right = sum(is_right(reply, sample.answer) for reply, sample in zip(said, samples, strict=True))
        figures[f"{level}.{kind}"] = share(right, number)
    return figures


@torch.no_grad()
def replies(model: LlamaForCausalLM, vocabulary: Vocabulary, asked: Sequence[Conversation]) -> list[str]:
    """What the LLM answers, the likeliest token at each step."""
    rows = [render(messages, vocabulary, reply=True).input_ids_T for messages in asked]
    longest = max(map(len, rows))
    padded = [np.concatenate([np.full(longest - len(row), vocabulary.pad_id), row]) for row in rows]
    input_ids_BT = torch.from_numpy(np.stack(padded))
    made_BT = model.generate(
        input_ids=input_ids_BT,
        attention_mask=(input_ids_BT != vocabulary.pad_id).long(),
        max_new_tokens=MAX_REPLY,
        do_sample=False,
    )[:, longest:]
    end, pad = vocabulary.token_id(END), vocabulary.pad_id
    return [vocabulary.decode([i for i in row if i not in (end, pad)]) for row in made_BT.tolist()]


def make(folder: Path) -> None:
    """Writes the untrained LLM: the one place of its numbers."""
    torch.manual_seed(0)
    rng = rng_of("parts", NAME, "tokenizer")
    samples = (text_sample(rng) for _ in range(20_000))
    texts = (
        part.text for sample in samples for message in sample for part in message.content if isinstance(part, Text)
    )
    tokenizer = llm_tokenizer(texts, VOCABULARY, TEMPLATE, MAX_TOKENS)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
        max_position_embeddings=MAX_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class TextRecipe(Recipe):
    """The next token of conversations, packed into rows; requests count little."""

    def __init__(
        self,
        model: LlamaForCausalLM,
        tokenizer_json: str,
        name: str,
        steps: int,
        rows: int = 12,
        learning_rate: float = 2e-3,
    ):
        self.name, self.module, self.mixture = f"{NAME}/{name}", model, MIXTURES[name]
        self.steps, self.rows, self.learning_rate = steps, rows, learning_rate
        self.identity = f"{steps} steps of {rows} rows of {ROW_TOKENS}"
        self.vocabulary = Vocabulary(tokenizer_json, TEMPLATE, {})

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        rows = [self._row(draw.rng) for _ in range(self.rows)]
        input_ids_BT, labels_BT, position_ids_BT, segment_ids_BT = (
            torch.from_numpy(np.stack(arrays)).to(draw.device) for arrays in zip(*rows, strict=True)
        )
        hidden_BTD = self.module.model(
            input_ids=input_ids_BT,
            position_ids=position_ids_BT,
            attention_mask=segment_mask(segment_ids_BT, torch.float32),
            use_cache=False,
        ).last_hidden_state
        follows_BT = (segment_ids_BT[:, 1:] == segment_ids_BT[:, :-1]) & (segment_ids_BT[:, 1:] >= 0)
        logits_PV = self.module.lm_head(hidden_BTD[:, :-1][follows_BT]).float()
        losses_P = F.cross_entropy(logits_PV, input_ids_BT[:, 1:][follows_BT], reduction="none")
        is_reply_P = labels_BT[:, 1:][follows_BT] != IGNORE_INDEX
        return {"reply": losses_P[is_reply_P].mean(), "request": PROMPT_WEIGHT * losses_P[~is_reply_P].mean()}

    def _row(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """ids, labels, positions and segments [T] of samples drawn until the next one does not fit."""
        samples: list[Rendered] = []
        while True:
            sample = render(text_sample(rng, self.mixture), self.vocabulary)
            if sum(map(len, samples)) + len(sample) > ROW_TOKENS:
                return self._packed(samples)
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
