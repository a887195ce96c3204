"""Training the autoencoders of pictures, frames and spectrograms.

Shape letters: N items, C channels, H, W sides, Z channels of the latents, h, w their sides.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from data_prep.parts.training import Draw, Recipe


@dataclass
class AutoencoderRecipe(Recipe):
    """The mean square that reconstruction misses, with a light pull of the latents towards a normal distribution.

    There is no adversary and no learned perception: shapes are flat, and what an oracle reads is their outline.
    Absolute errors are no good here: nearly all pixels are ground, whose noise then outweighs the shapes.

    Args:
        items: a draw to values [N, C, H, W] as the autoencoder reads them.
        kl_weight: on the mean over latent values of the KL divergence.
    """

    name: str
    module: AutoencoderKL
    items: Callable[[Draw], Tensor]
    identity: str
    steps: int
    learning_rate: float = 2e-3
    kl_weight: float = 1e-5

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        values_NCHW = self.items(draw)
        posterior = self.module.encode(values_NCHW).latent_dist
        noise_NZhw = draw.normal(*posterior.mean.shape)
        decoded_NCHW = self.module.decode(posterior.mean + posterior.std * noise_NZhw).sample
        square = (decoded_NCHW - values_NCHW).square().mean()
        kl = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
        return {"square": 10 * square, "kl": self.kl_weight * kl}


@torch.no_grad()
def set_scaling(autoencoder: AutoencoderKL, values_NCHW: Tensor) -> None:
    """Sets the factor that gives latents a standard deviation of 1, as the pipelines apply it."""
    latents = autoencoder.encode(values_NCHW).latent_dist.mean
    autoencoder.register_to_config(scaling_factor=round(1 / latents.std().item(), 4))
