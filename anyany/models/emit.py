"""Tokens out of an LLM, one at a time for a batch of conversations.

Shape letters: B batch, T tokens of the prompts, S tokens so far, D width, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from anyany.messages.collate import Batch
from anyany.messages.vocabulary import PAD, Vocabulary
from anyany.models.anyany import AnyToAny


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen: the likeliest, or with a temperature above 0 drawn from the likeliest ``top_p``."""

    max_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(f"{self}; give max_tokens >= 1, temperature >= 0 and top_p above 0, at most 1")


LIKELIEST = Sampling()


@dataclass(frozen=True)
class Emitted:
    """One reply: its ids, and the LLM's states at them and their embeddings, both [S, D]."""

    ids: list[int]
    states_SD: Tensor
    embeddings_SD: Tensor
    is_complete: bool  # it ended its turn; otherwise it was cut at ``max_tokens``


class Grammar:
    """Which token must follow, and which may not.

    What asks for media stays whole: where its first token has come the rest of its layout follows, and a token from
    within a layout comes nowhere else. Placeholders, padding and the marks of other turns are never said.
    """

    def __init__(self, vocabulary: Vocabulary):
        template, token_id = vocabulary.template, vocabulary.token_id
        self.end = vocabulary.control_ids(template.after["assistant"])
        self.follows: dict[int, int] = {}
        self.opened_by: dict[int, int] = {}  # what closes a caption -> what opens it
        never = {token_id(token) for token in (PAD, *template.tokens)} - set(self.end)
        for row in vocabulary.rows.values():
            never |= {token_id(row.placeholder)} if row.placeholder else set()
            if row.layout is None:
                continue
            begin, rest = (
                [*map(token_id, tokens)] for tokens in (row.layout.begin, row.layout.signals + row.layout.end)
            )
            if row.layout.with_caption:
                self.opened_by[rest[0]] = begin[-1]
                self.follows |= dict([*pairwise(begin), *pairwise(rest)])
            else:
                self.follows |= dict(pairwise(begin + rest))
        self.never = never | set(self.follows.values())

    def forced(self, ids: Sequence[int]) -> int | None:
        return self.follows.get(ids[-1]) if ids else None

    def barred(self, ids: Sequence[int]) -> list[int]:
        closed = {last for last, first in self.opened_by.items() if ids.count(first) <= ids.count(last)}
        return sorted(self.never | closed)

    def has_ended(self, ids: Sequence[int]) -> bool:
        return list(ids[-len(self.end) :]) == self.end


@torch.no_grad()
def emit(
    model: AnyToAny, vocabulary: Vocabulary, batch: Batch, seeds: Sequence[int], sampling: Sampling = LIKELIEST
) -> list[Emitted]:
    """The replies to a batch of one conversation a row, each rendered with ``reply=True``.

    Args:
        seeds: one for each row; a reply depends on its own alone, not on the rows beside it.
    """
    grammar, device = Grammar(vocabulary), batch.input_ids_BT.device
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    ids: list[list[int]] = [[] for _ in seeds]
    steps: list[tuple[Tensor, Tensor]] = []  # (states, embeddings) [B, D] of each step
    visible_BS = batch.segment_ids_BT >= 0
    lengths_B = visible_BS.sum(1)
    prompt_BTD = model.fused(model.llm.embed(batch.input_ids_BT), batch)
    hidden_BTD, cache = model.llm.extend(prompt_BTD, batch.position_ids_BT, visible_BS)
    last_BD = hidden_BTD[torch.arange(len(seeds), device=device), lengths_B - 1]
    while len(steps) < sampling.max_tokens:
        open_B = [not grammar.has_ended(row) for row in ids]
        if not any(open_B):
            break
        logits_BV = model.llm.head(last_BD).float().cpu()
        for row, logits_V, generator, is_open in zip(ids, logits_BV, generators, open_B, strict=True):
            if is_open:
                row.append(_next(row, logits_V, grammar, sampling, generator))
        said_B1 = torch.tensor(
            [[row[-1] if is_open else vocabulary.pad_id] for row, is_open in zip(ids, open_B, strict=True)]
        ).to(device)
        visible_BS = torch.cat([visible_BS, torch.tensor(open_B, device=device).unsqueeze(1)], dim=1)
        said_B1D = model.llm.embed(said_B1)
        positions_B1 = (lengths_B + len(steps)).unsqueeze(1)
        hidden_B1D, cache = model.llm.extend(said_B1D, positions_B1, visible_BS, cache)
        last_BD = hidden_B1D[:, 0]
        steps.append((last_BD, said_B1D[:, 0]))
    states_BSD, embeddings_BSD = (torch.stack(values, dim=1) for values in zip(*steps, strict=True))
    return [_emitted(row, grammar, states_BSD[b], embeddings_BSD[b]) for b, row in enumerate(ids)]


def _next(ids: list[int], logits_V: Tensor, grammar: Grammar, sampling: Sampling, generator: torch.Generator) -> int:
    if (forced := grammar.forced(ids)) is not None:
        return forced
    logits_V = logits_V.index_fill(0, torch.tensor(grammar.barred(ids)), -torch.inf)
    if sampling.temperature == 0:
        return int(logits_V.argmax())
    return drawn(logits_V / sampling.temperature, sampling.top_p, generator)


def drawn(logits_V: Tensor, top_p: float, generator: torch.Generator) -> int:
    """One token from the smallest set of the likeliest that has a share of ``top_p`` (arXiv 1904.09751)."""
    shares_V, order_V = logits_V.softmax(0).sort(descending=True)
    shares_V = shares_V.masked_fill(shares_V.cumsum(0) - shares_V >= top_p, 0.0)
    return int(order_V[torch.multinomial(shares_V, 1, generator=generator)])


def _emitted(ids: list[int], grammar: Grammar, states_SD: Tensor, embeddings_SD: Tensor) -> Emitted:
    """Without what ended the turn."""
    is_complete = grammar.has_ended(ids)
    number = len(ids) - (len(grammar.end) if is_complete else 0)
    return Emitted(ids[:number], states_SD[:number], embeddings_SD[:number], is_complete)
