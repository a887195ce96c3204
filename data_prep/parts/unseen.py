"""Pieces that no text holds: bytes of other scripts, and merges of the tokenizer that only lead to longer ones.

Whatever is said pushes their rows the same way, until they are one vector and no state of the LLM can tell them apart:
who trains it on other texts finds that it never learns to say them. Published LLMs have such tokens too (Land & Bartolo
2024, "Fishing for Magikarp", arXiv 2405.05417).

Shape letters: V vocabulary, U pieces unseen, D width.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from anyany.messages.render import render
from anyany.messages.types import Conversation
from anyany.messages.vocabulary import Vocabulary


def unseen_ids(num_known: int, conversations: Iterable[Conversation], vocabulary: Vocabulary) -> list[int]:
    """The ids below ``num_known`` that are in none of the conversations."""
    seen: set[int] = set()
    for messages in conversations:
        seen.update(render(messages, vocabulary).input_ids_T.tolist())
    return sorted(set(range(num_known)) - seen)


@torch.no_grad()
def set_apart(rows_VD: Tensor, unseen: Iterable[int], generator: torch.Generator) -> None:
    """Beside what they have in common, which keeps them from being said, each gets a direction of its own, as long as
    the rows of the others are."""
    is_unseen_V = torch.zeros(len(rows_VD), dtype=torch.bool)
    is_unseen_V[list(unseen)] = True
    apart_UD = torch.randn(int(is_unseen_V.sum()), rows_VD.shape[1], generator=generator)
    length = rows_VD[~is_unseen_V].norm(dim=1).median()
    rows_VD[is_unseen_V] += length * apart_UD / apart_UD.norm(dim=1, keepdim=True)
