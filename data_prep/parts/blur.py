"""Rows that hold the words of a text without being words: what an input projector makes is of this kind.

Shape letters: N texts, L tokens of the longest, K rows, D width.
"""

import torch
from torch import Tensor

WIDTHS = (0.15, 0.6)  # of a row's window over a text, as a share of it
GAINS = (0.5, 1.5)  # of a row
NOISE = 0.2  # beside the embeddings' own spread


def blurred(
    embeddings_NLD: Tensor, lengths_N: Tensor, uniform_NKL: Tensor, uniform_NK2: Tensor, noise_NKD: Tensor
) -> Tensor:
    """``[N, K, D]``: each row a mixture of the words around its place in the text, most of it of a few.

    Args:
        uniform_NKL, uniform_NK2, noise_NKD: what is random in it, from 0 to 1 and normal.
    """
    num_rows = uniform_NKL.shape[1]
    places_L = torch.arange(embeddings_NLD.shape[1], device=lengths_N.device) + 0.5
    centres_K1 = ((torch.arange(num_rows, device=lengths_N.device) + 0.5) / num_rows).unsqueeze(1)
    width_NK, gain_NK = (low + (high - low) * uniform_NK2[..., i] for i, (low, high) in enumerate((WIDTHS, GAINS)))
    away_NKL = places_L / lengths_N[:, None, None] - centres_K1
    windows_NKL = torch.exp(-0.5 * (away_NKL / width_NK.unsqueeze(-1)).square())
    is_word_NKL = places_L < lengths_N[:, None, None]
    weights_NKL = windows_NKL * is_word_NKL * uniform_NKL.clamp(1e-6, 1 - 1e-6).log().square()
    weights_NKL = gain_NK.unsqueeze(-1) * weights_NKL / weights_NKL.sum(-1, keepdim=True)
    return weights_NKL @ embeddings_NLD + NOISE * embeddings_NLD.detach().std() * noise_NKD
