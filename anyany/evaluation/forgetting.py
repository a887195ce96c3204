"""What a language model has forgotten: its loss on kinds of text that no stage trains on.

Shape letters: B rows, T tokens.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from anyany.figures import Figure, mean
from anyany.messages.collate import NO_SEGMENT
from anyany.messages.render import IGNORE_INDEX, render
from anyany.messages.types import Conversation
from anyany.messages.vocabulary import Vocabulary
from anyany.models.contracts import LLM
from anyany.ops.losses import next_token_loss

BATCH = 50


@torch.no_grad()
def text_loss(llm: LLM, vocabulary: Vocabulary, conversations: Sequence[Conversation]) -> Figure:
    """The mean over conversations of the loss per token of their replies, in nats; new tokens are among the choices."""
    losses = []
    for first in range(0, len(conversations), BATCH):
        rendered = [render(messages, vocabulary) for messages in conversations[first : first + BATCH]]
        input_ids_BT = _padded([one.input_ids_T for one in rendered], vocabulary.pad_id)
        labels_BT = _padded([one.labels_T for one in rendered], IGNORE_INDEX)
        segment_ids_BT = _padded([np.zeros(len(one), np.int64) for one in rendered], NO_SEGMENT)
        position_ids_BT = torch.arange(input_ids_BT.shape[1]).expand_as(input_ids_BT)
        device = next(llm.parameters()).device
        embeddings_BTD = llm.embed(input_ids_BT.to(device))
        hidden_BTD = llm(embeddings_BTD, position_ids_BT.to(device), segment_ids_BT.to(device))
        for hidden_TD, labels_T in zip(hidden_BTD, labels_BT.to(device), strict=True):
            total, count = next_token_loss(hidden_TD[None], labels_T[None], llm.head)
            losses.append(float(total) / count)
    return mean(losses)


def _padded(rows: Sequence[np.ndarray], value: int) -> Tensor:
    return pad_sequence([torch.from_numpy(row).long() for row in rows], batch_first=True, padding_value=value)
