"""ZeroScope, a text-to-video model of ModelScope's architecture (Wang et al. 2023, arXiv 2308.06571): clips.

Shape letters: N items, L positions and D width of the conditioning, F frames, Z channels and h, w sides of a latent.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anyany.models.decoders.latent_diffusion import ClipConditioned, from_uint8, to_uint8


class ZeroScope(ClipConditioned):
    """Clips whose autoencoder knows single frames only; conditioned as Stable Diffusion is.

    Args:
        num_frames: of a clip that it makes.
        rate_hz: frames a second that its clips were taught at: 8 for ZeroScope v2, 4 for the tiny one.
    """

    modality = "video"

    def __init__(
        self,
        folder: str | Path,
        num_steps: int = 12,
        guidance: float = 3.0,
        guided_steps: int | None = None,
        num_frames: int = 8,
        rate_hz: float = 4.0,
    ):
        super().__init__(folder, num_steps, guidance, guided_steps)
        self.num_frames, self.rate_hz = num_frames, rate_hz

    @classmethod
    def networks(cls) -> Mapping[str, Any]:
        from diffusers import AutoencoderKL, UNet3DConditionModel
        from transformers import CLIPTextModel

        return {"vae": AutoencoderKL, "unet": UNet3DConditionModel, "text_encoder": CLIPTextModel}

    @classmethod
    def pipeline(cls) -> Any:
        from diffusers import TextToVideoSDPipeline

        return TextToVideoSDPipeline

    def latent_shape(self) -> tuple[int, ...]:
        side = self.unet.config.sample_size
        return (self.unet.config.in_channels, self.num_frames, side, side)

    @torch.no_grad()
    def encode(self, media: Tensor) -> Tensor:
        latents = self.vae.encode(from_uint8(media.flatten(0, 1))).latent_dist.mean  # [N * F, Z, h, w]
        return latents.unflatten(0, media.shape[:2]).transpose(1, 2) * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        frames = latents.transpose(1, 2)  # [N, F, Z, h, w]
        pixels = self.vae.decode(frames.flatten(0, 1) / self.vae.config.scaling_factor).sample
        return to_uint8(pixels).unflatten(0, frames.shape[:2])
