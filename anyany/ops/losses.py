"""Loss terms as (sum, count), so that they can be added over micro-batches and ranks and divided once.

Shape letters: B batch, T tokens, D width, V vocabulary, P positions that predict a labelled token, N items, L positions
of a conditioning.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

IGNORE_INDEX = -100


def next_token_loss(
    hidden_BTD: Tensor, labels_BT: Tensor, head: Callable[[Tensor], Tensor], temperature: float = 1.0
) -> tuple[Tensor, int]:
    """Cross-entropy of each labelled token, given the state before it; logits are made for those states alone.

    Args:
        head: ``[P, D] -> [P, V]``.
        temperature: logits are divided by it.

    Returns:
        The sum in fp32 (a zero with a graph where nothing is labelled) and the number of labelled tokens.
    """
    labels_BT = labels_BT[:, 1:]
    predicts_BT = labels_BT != IGNORE_INDEX
    logits_PV = head(hidden_BTD[:, :-1][predicts_BT]).float() / temperature
    return F.cross_entropy(logits_PV, labels_BT[predicts_BT], reduction="sum"), int(predicts_BT.sum())


def alignment_loss(made_NLD: Tensor, wanted_NLD: Tensor) -> tuple[Tensor, int]:
    """The Euclidean distance of each position, averaged over an item's positions.

    NExT-GPT's distance (arXiv 2309.05519), which its code calls a mean square. Positions that are exactly right have a
    gradient of zero, where the square root alone would give NaN.

    Returns:
        The sum over items in fp32 (a zero with a graph where there are none) and the number of items.
    """
    distances_NL = (made_NLD.float() - wanted_NLD.float()).norm(dim=-1)
    return distances_NL.mean(dim=1).sum(), len(made_NLD)
