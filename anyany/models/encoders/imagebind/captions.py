"""Captions to token ids, with the tokenizer that belongs to the weights."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def caption_ids(tokenizer_json: str, captions: Sequence[str], num_positions: int) -> Tensor:
    """``[N, num_positions]``, zeros after the end of a caption; a long one is cut before its last token.

    Args:
        tokenizer_json: of the ``tokenizers`` library. Its post-processor ends each text with the token of highest id.

    Raises:
        ValueError: where it does not: another token would stand for the caption.
    """
    tokenizer = _tokenizer(tokenizer_json, num_positions)
    last_id = tokenizer.get_vocab_size() - 1
    ids_NT = torch.zeros(len(captions), num_positions, dtype=torch.long)
    for row_T, caption in zip(ids_NT, captions, strict=True):
        ids = tokenizer.encode(caption).ids
        if not ids or ids[-1] != last_id or last_id in ids[:-1]:
            raise ValueError(f"the tokenizer makes {ids} of {caption!r}; the last id, {last_id}, must end it")
        row_T[: len(ids)] = torch.tensor(ids)
    return ids_NT


@lru_cache(maxsize=4)
def _tokenizer(tokenizer_json: str, num_positions: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.encode_special_tokens = True  # a caption that spells the last token stays a caption
    tokenizer.enable_truncation(num_positions)
    tokenizer.no_padding()
    return tokenizer
