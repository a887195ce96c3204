"""AudioLDM: sounds (Liu et al. 2023, arXiv 2301.12503).

Shape letters: N items, D width of the conditioning, S samples, T frames and M mel bands of a spectrogram; a latent is
[Z channels, t, m].
"""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anyany.models.contracts import ConditioningSpec
from anyany.models.decoders.latent_diffusion import LatentDiffusion
from anyany.ops.mel import log_mel


class AudioLDM(LatentDiffusion):
    """Conditioned by one CLAP text embedding of unit norm; a vocoder turns its log-mel spectrograms into sound.

    Args:
        window: samples that a frame of the spectrogram looks at; AudioLDM's hop is the vocoder's upsampling.
    """

    modality = "audio"
    vocoder: Any

    def __init__(
        self,
        folder: str | Path,
        num_steps: int = 12,
        guidance: float = 2.5,
        guided_steps: int | None = None,
        window: int = 1024,
    ):
        super().__init__(folder, num_steps, guidance, guided_steps)
        vocoder = self.vocoder.config
        self.window, self.hop, self.num_mels = window, prod(vocoder.upsample_rates), vocoder.model_in_dim
        self.rate_hz = self.sample_rate_hz = vocoder.sampling_rate

    @classmethod
    def networks(cls) -> Mapping[str, Any]:
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import ClapTextModelWithProjection, SpeechT5HifiGan

        return {
            "vae": AutoencoderKL,
            "unet": UNet2DConditionModel,
            "text_encoder": ClapTextModelWithProjection,
            "vocoder": SpeechT5HifiGan,
        }

    @classmethod
    def pipeline(cls) -> Any:
        from diffusers import AudioLDMPipeline

        return AudioLDMPipeline

    def conditioning_spec(self) -> ConditioningSpec:
        return ConditioningSpec(1, self.text_encoder.config.projection_dim, normalised=True)

    def condition(self, captions: Sequence[str]) -> Tensor:
        ids = self.token_ids(captions)
        embeddings_ND = self.text_encoder(ids["input_ids"], attention_mask=ids["attention_mask"]).text_embeds
        return F.normalize(embeddings_ND, dim=-1).unsqueeze(1)

    def latent_shape(self) -> tuple[int, ...]:
        scale = 2 ** (len(self.vae.config.block_out_channels) - 1)
        return (self.unet.config.in_channels, self.unet.config.sample_size, self.num_mels // scale)

    def spectrogram(self, sounds_NS: Tensor) -> Tensor:
        """``[N, T, M]``: what the autoencoder reads, and the vocoder turns back."""
        return log_mel(sounds_NS, self.window, self.hop, self.num_mels, self.sample_rate_hz)

    @torch.no_grad()
    def encode(self, media: Tensor) -> Tensor:
        return self.vae.encode(self.spectrogram(media).unsqueeze(1)).latent_dist.mean * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        spectrograms = self.vae.decode(latents / self.vae.config.scaling_factor).sample  # [N, 1, T, M]
        return self.vocoder(spectrograms.squeeze(1)).float().clamp(-1, 1)

    def predict(self, noisy: Tensor, times_N: Tensor, conditioning_NLD: Tensor) -> Tensor:
        return self.unet(noisy, times_N, encoder_hidden_states=None, class_labels=conditioning_NLD.squeeze(1)).sample
