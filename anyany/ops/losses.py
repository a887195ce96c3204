"""Loss terms as (sum, count), so that they can be added over micro-batches and ranks and divided once.

Shape letters: B batch, T tokens, D width, V vocabulary, U its known part, P positions, N items, L positions
of a conditioning.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

IGNORE_INDEX = -100


def next_token_loss(
    hidden_BTD: Tensor, labels_BT: Tensor, head: Callable[[Tensor], Tensor], temperature_BT: Tensor | None = None
) -> tuple[Tensor, int]:
    """Cross-entropy of each labelled token, given the state before it; logits are made for those states alone.

    Args:
        head: ``[P, D] -> [P, V]``.
        temperature_BT: the logits for a token are divided by its temperature; None is 1.

    Returns:
        The sum in fp32 (a zero with a graph where nothing is labelled) and the number of labelled tokens.
    """
    labels_BT = labels_BT[:, 1:]
    predicts_BT = labels_BT != IGNORE_INDEX
    logits_PV = head(hidden_BTD[:, :-1][predicts_BT]).float()
    if temperature_BT is not None:
        logits_PV = logits_PV / temperature_BT[:, 1:][predicts_BT].unsqueeze(1)
    return F.cross_entropy(logits_PV, labels_BT[predicts_BT], reduction="sum"), int(predicts_BT.sum())


def kept_loss(logits_PV: Tensor, before_PU: Tensor) -> tuple[Tensor, int]:
    """How far choices have moved from those of before: the Kullback-Leibler divergence of each from its former one.

    Args:
        before_PU: logits of the first U of V choices; what came later had no share.

    Returns:
        The sum in fp32 (a zero with a graph where there is no position) and the number of positions.
    """
    log_now_PU = logits_PV.float().log_softmax(-1)[:, : before_PU.shape[1]]
    log_before_PU = before_PU.float().log_softmax(-1)
    return F.kl_div(log_now_PU, log_before_PU, reduction="sum", log_target=True), len(logits_PV)


def alignment_loss(made_NLD: Tensor, wanted_NLD: Tensor) -> tuple[Tensor, int]:
    """The Euclidean distance of each position, averaged over an item's positions.

    NExT-GPT's distance (arXiv 2309.05519), which its code calls a mean square. Positions that are exactly right have a
    gradient of zero, where the square root alone would give NaN.

    Returns:
        The sum over items in fp32 (a zero with a graph where there are none) and the number of items.
    """
    distances_NL = (made_NLD.float() - wanted_NLD.float()).norm(dim=-1)
    return distances_NL.mean(dim=1).sum(), len(made_NLD)
