"""Pulling the two sides of a pair together and those of different pairs apart.

Shape letters: N pairs, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive_loss(left_ND: Tensor, right_ND: Tensor, equal_mask_NN: Tensor | None = None) -> tuple[Tensor, int]:
    """Symmetric InfoNCE (van den Oord et al. 2018; CLIP's loss): each side picks its partner out of the batch.

    The logits are the plain dot products: normalise both sides, and scale one of them by the inverse temperature.

    Args:
        equal_mask_NN: True where left i and right j fit each other though they are of different pairs, so that they
            count as neither right nor wrong; the diagonal does not matter.

    Returns:
        The sum in fp32 over 2 N choices, and 2 N. No pair is a zero with a graph.

    Raises:
        ValueError: where the sides or the mask differ in shape.
    """
    num_pairs = len(left_ND)
    if left_ND.shape != right_ND.shape:
        raise ValueError(f"sides of {list(left_ND.shape)} and {list(right_ND.shape)}; row i of both must be a pair")
    logits_NN = left_ND.float() @ right_ND.float().T
    if equal_mask_NN is not None:
        if equal_mask_NN.shape != logits_NN.shape:
            raise ValueError(f"equal_mask is {list(equal_mask_NN.shape)} for {num_pairs} pairs; give [N, N]")
        own_NN = torch.eye(num_pairs, dtype=torch.bool, device=logits_NN.device)
        logits_NN = logits_NN.masked_fill(equal_mask_NN & ~own_NN, -torch.inf)
    partners_N = torch.arange(num_pairs, device=logits_NN.device)
    loss = F.cross_entropy(logits_NN, partners_N, reduction="sum")
    return loss + F.cross_entropy(logits_NN.T, partners_N, reduction="sum"), 2 * num_pairs
