"""Stable Diffusion 1 and 2: pictures (Rombach et al. 2022, arXiv 2112.10752).

Shape letters: N items, L positions and D width of the conditioning, Z channels and h, w sides of a latent.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anyany.models.decoders.latent_diffusion import ClipConditioned, from_uint8, to_uint8


class StableDiffusion(ClipConditioned):
    """Square pictures, as large as the networks were made for."""

    modality = "image"

    @classmethod
    def networks(cls) -> Mapping[str, Any]:
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextModel

        return {"vae": AutoencoderKL, "unet": UNet2DConditionModel, "text_encoder": CLIPTextModel}

    @classmethod
    def pipeline(cls) -> Any:
        from diffusers import StableDiffusionPipeline

        return StableDiffusionPipeline

    def latent_shape(self) -> tuple[int, ...]:
        side = self.unet.config.sample_size
        return (self.unet.config.in_channels, side, side)

    @torch.no_grad()
    def encode(self, media: Tensor) -> Tensor:
        return self.vae.encode(from_uint8(media)).latent_dist.mean * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        return to_uint8(self.vae.decode(latents / self.vae.config.scaling_factor).sample)
