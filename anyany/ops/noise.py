"""The forward process of diffusion models with a discrete schedule (Ho et al. 2020, arXiv 2006.11239, section 2).

Shape letters: N items, K steps of the schedule; ``...`` is the shape of one latent.
"""

import torch
from torch import Tensor


def add_noise(clean: Tensor, noise: Tensor, alphas_cumprod_K: Tensor, times_N: Tensor) -> Tensor:
    """``[N, ...]`` at the times: ``sqrt(a) * clean + sqrt(1 - a) * noise``."""
    signal, spread = _factors(alphas_cumprod_K, times_N, clean)
    return signal * clean + spread * noise


def denoising_target(kind: str, clean: Tensor, noise: Tensor, alphas_cumprod_K: Tensor, times_N: Tensor) -> Tensor:
    """``[N, ...]``: what a denoiser predicts from noisy latents, by the name that its scheduler's config gives it.

    ``v_prediction``: ``sqrt(a) * noise - sqrt(1 - a) * clean`` (Salimans and Ho 2022, arXiv 2202.00512, appendix D).

    Raises:
        ValueError: for a parameterisation that is not known.
    """
    if kind == "epsilon":
        return noise
    if kind == "sample":
        return clean
    if kind == "v_prediction":
        signal, spread = _factors(alphas_cumprod_K, times_N, clean)
        return signal * noise - spread * clean
    raise ValueError(f"prediction_type {kind!r} is unknown; expected epsilon, sample or v_prediction")


def _factors(alphas_cumprod_K: Tensor, times_N: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    alphas = alphas_cumprod_K.to(like)[times_N].reshape(-1, *[1] * (like.dim() - 1))
    return torch.sqrt(alphas), torch.sqrt(1 - alphas)
