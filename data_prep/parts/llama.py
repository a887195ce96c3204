"""The tiny Llama: text alone, of every kind, in the turns of a conversation.

Shape letters: B rows, T tokens of a row.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from anyany.figures import Figure, share
from anyany.messages.render import render
from anyany.messages.templates import TEMPLATES
from anyany.messages.types import Conversation, Text
from anyany.messages.vocabulary import Vocabulary
from anyany.microworld.dialogues import sample_dialogue
from anyany.microworld.levels import LEVELS
from anyany.microworld.oracles.answers import is_right
from anyany.microworld.texts import KINDS
from anyany.seeds import rng_of
from data_prep.parts.conversations import SHOWN, TEMPLATE, ConversationRecipe
from data_prep.parts.job import Job
from data_prep.parts.measures import NUMBER
from data_prep.parts.pools import TRAINED_ON
from data_prep.parts.tokenizers import llm_tokenizer
from data_prep.parts.told import in_text, is_told_right
from data_prep.parts.unseen import set_apart, unseen_ids
from data_prep.parts.words import ASKING, CHOOSING, READING, SEEING, TALKING, text_sample

NAME = "llama"
VOCABULARY = 1024
MAX_TOKENS = 1024  # positions; rows of training are shorter
STEPS = {"model": 7000, "asking": 4000, "choosing": 2500, "talking": 2000, "seeing": 900}
MIXTURES = {"model": READING, "asking": ASKING, "choosing": CHOOSING, "talking": TALKING, "seeing": SEEING}
BY_MUON = ("choosing", "talking", "seeing")
ENDS = ("embed_tokens",)  # the first layer and, tied to it, the last
RECIPE = {
    "model": "the next token of conversations of all kinds, half of what is said of scenes in made-up words; tokens of "
    "requests count a tenth",
    "asking": "as before, but a third of the conversations are quizzes over one scene or several, mostly for yes or "
    "no, and sums and instructions come more often",
    "choosing": "by Muon, eight of ten conversations are bare choices: a rule with conditions and a word for each, and "
    "what it is to be applied to",
    "talking": "by Muon; nearly half of the conversations are the microworld's dialogues of one to four turns, what is "
    "shown in them described, and what a reply would bring told in its place; a tenth are bare choices, the rest as in "
    "asking, with more sums",
    "seeing": "as before, but of what is shown, where it is one thing, the description is mostly given as eight rows "
    "that are mixtures of its words and noise, as a projector may make them; then questions on it; and requests that "
    "quote a caption; at last pieces of the tokenizer that no text holds get rows of their own",
}
END = TEMPLATES[TEMPLATE].after["assistant"]
MAX_REPLY = 96  # tokens
COUNTED = 2000  # conversations of each mixture, for pieces that are in none


def train(job: Job) -> float:
    """Trains what is not trained yet, and writes the LLM with its tokenizer. Returns the seconds of training."""
    start = job.start(NAME, make)
    tokenizer = AutoTokenizer.from_pretrained(start)
    model = LlamaForCausalLM.from_pretrained(start, use_safetensors=True, attn_implementation="sdpa")
    tokenizer_json = tokenizer.backend_tokenizer.to_str()
    seconds = sum(job.run(recipe(model, tokenizer_json, name)) for name in STEPS)
    rng = rng_of("parts", NAME, "pieces")
    texts = (text_sample(rng, mixture) for mixture in MIXTURES.values() for _ in range(COUNTED))
    unseen = unseen_ids(len(tokenizer), texts, Vocabulary(tokenizer_json, TEMPLATE, SHOWN))
    set_apart(model.cpu().get_input_embeddings().weight, unseen, torch.Generator().manual_seed(0))
    model.half().save_pretrained(job.out / NAME)
    tokenizer.save_pretrained(job.out / NAME)
    return seconds


def recipe(
    model: LlamaForCausalLM, tokenizer_json: str, name: str, steps: int | None = None, rows: int = 12
) -> ConversationRecipe:
    """One of its trainings, in as many steps as it has, or fewer."""
    ends = ENDS if name in BY_MUON else None
    given = (MIXTURES[name], steps or STEPS[name], rows, 2e-3, ends)
    return ConversationRecipe(f"{NAME}/{name}", model, tokenizer_json, *given)


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
    for level in levels:
        rng = rng_of("parts", NAME, "measure", level, "dialogue")
        dialogues = [sample_dialogue(LEVELS[level], rng) for _ in range(number)]
        said = replies(model, vocabulary, [in_text(dialogue, rng)[:-1] for dialogue in dialogues])
        figures[f"{level}.dialogue"] = share(sum(map(is_told_right, said, dialogues)), number)
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
