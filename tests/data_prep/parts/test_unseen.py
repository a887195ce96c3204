"""Pieces of the tokenizer that no text holds get rows of their own."""

import torch

from anyany.messages.types import assistant, user
from anyany.messages.vocabulary import Vocabulary
from data_prep.parts.tokenizers import llm_tokenizer
from data_prep.parts.unseen import set_apart, unseen_ids

ALIKE = [1, 4, 6]


def rows(length=3.0):
    """Of eight rows, three that are one vector."""
    rows_VD = torch.nn.functional.normalize(torch.eye(8, 16)) * length
    rows_VD[ALIKE] = -5.0
    return rows_VD


def test_a_piece_is_unseen_where_only_longer_ones_come():
    texts = ["bottom bottom bottom bottom top"] * 50
    tokenizer = llm_tokenizer(texts, 300, "tiny", 64)
    vocabulary = Vocabulary(tokenizer.backend_tokenizer.to_str(), "tiny", {})
    unseen = unseen_ids(len(tokenizer), [[user("bottom top"), assistant(text)] for text in texts], vocabulary)
    pieces = tokenizer.convert_ids_to_tokens(unseen)
    assert "z" in pieces  # a byte that no text holds
    assert "Ġbottom" in tokenizer.get_vocab()
    assert "Ġbottom" not in pieces
    leftovers = [piece for piece in pieces if len(piece) > 1 and piece in "Ġbottom"]
    assert leftovers, "the merges on the way to a word"
    seen = set(range(len(tokenizer))) - set(unseen)
    spelled = {i for text in (*texts, "bottom top") for i in vocabulary.text_ids(text)}
    assert spelled <= seen


def test_each_unseen_row_gets_a_direction_of_its_own_as_long_as_the_others():
    before_VD, after_VD = rows(), rows()
    set_apart(after_VD, ALIKE, torch.Generator().manual_seed(0))
    moved_VD = after_VD - before_VD
    others = [i for i in range(8) if i not in ALIKE]
    assert not moved_VD[others].any()
    torch.testing.assert_close(moved_VD[ALIKE].norm(dim=1), torch.full((3,), 3.0))
    for index, row in enumerate(ALIKE):  # along its direction each is the likeliest of them, where all were as likely
        assert (after_VD[ALIKE] @ moved_VD[row]).argmax() == index
        assert (before_VD[ALIKE] @ moved_VD[row]).unique().numel() == 1
