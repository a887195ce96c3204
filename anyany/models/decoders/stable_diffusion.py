"""Stable Diffusion 1 and 2: pictures (Rombach et al. 2022, arXiv 2112.10752).

Shape letters: N items, L positions and D width of the conditioning, Z channels and h, w sides of a latent.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from anyany.models.contracts import ConditioningSpec
from anyany.models.decoders.latent_diffusion import LatentDiffusion, from_uint8, to_uint8


class StableDiffusion(LatentDiffusion):
    """Conditioned by the last hidden states of a CLIP text encoder, at all its positions."""

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

    def conditioning_spec(self) -> ConditioningSpec:
        return ConditioningSpec(self.text_encoder.config.max_position_embeddings, self.unet.config.cross_attention_dim)

    def condition(self, captions: Sequence[str]) -> Tensor:
        return self.text_encoder(self.token_ids(captions)["input_ids"]).last_hidden_state

    def latent_shape(self) -> tuple[int, ...]:
        side = self.unet.config.sample_size
        return (self.unet.config.in_channels, side, side)

    @torch.no_grad()
    def encode(self, media: Tensor) -> Tensor:
        return self.vae.encode(from_uint8(media)).latent_dist.mean * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        return to_uint8(self.vae.decode(latents / self.vae.config.scaling_factor).sample)

    def predict(self, noisy: Tensor, times_N: Tensor, conditioning_NLD: Tensor) -> Tensor:
        return self.unet(noisy, times_N, encoder_hidden_states=conditioning_NLD).sample
