"""Training a denoiser, alone or with the text encoder that conditions it, on latents of captioned media.

Shape letters: N items, L positions and D width of the conditioning; Z... is a latent's shape.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from anyany.microworld.scenes import Scene
from anyany.models.decoders.latent_diffusion import LatentDiffusion
from data_prep.parts.readers import Readers
from data_prep.parts.training import Draw, Recipe
from data_prep.parts.words import say

UNCONDITIONAL = 0.1  # how often a caption is left out, for classifier-free guidance


@dataclass(frozen=True)
class Latents:
    """The scaled means and standard deviations that an autoencoder gives, and the scenes that they show."""

    mean: Tensor  # [all, Z...]
    std: Tensor
    scenes: Sequence[Scene]
    beside: Tensor | None = None  # [all, L, D], added to the conditioning of captions: what has no words

    def __str__(self) -> str:
        """Changes with the autoencoder, so that a denoiser does not go on with another's latents."""
        return f"{len(self.mean)} items, mean {self.mean.mean():.2f}, absolute {self.mean.abs().mean():.2f}"

    def draw(self, draw: Draw, number: int) -> tuple[Tensor, list[Scene], Tensor | None]:
        """Latents [N, Z...] with the autoencoder's own noise, their scenes, and what is beside these."""
        indices = draw.rng.integers(len(self.mean), size=number)
        mean, std = (values[indices].to(draw.device) for values in (self.mean, self.std))
        beside = None if self.beside is None else self.beside[indices].to(draw.device)
        return mean + std * draw.normal(*mean.shape), [self.scenes[index] for index in indices], beside


class DiffusionRecipe(Recipe):
    """What the decoder itself calls its denoising loss, with captions drawn anew."""

    def __init__(
        self, name: str, decoder: LatentDiffusion, latents: Latents, identity: str, steps: int, batch: int = 64,
        learning_rate: float = 1e-3, networks: Sequence[str] = ("unet", "text_encoder"), skew: int = 1,
        reads: Sequence[str] = (), blur: float = 0.0, ends: tuple[str, ...] | None = None,
    ):  # fmt: skip
        """
        Args:
            skew: each time is the latest of so many drawn evenly, so that noise beyond recognition is met more often.
            reads: attributes that a linear layer is to read from the mean of a caption's conditioning. A text encoder
                that tells values apart from the first steps on saves its denoiser waiting for them.
            blur: the length of what is added at random to each position of a caption's conditioning, so that one close
                to it is as good.
            ends: layers that Adam trains, Muon the rest; None is AdamW for all.
        """
        self.name, self.identity = name, f"{identity} on latents of {latents}"
        self.steps, self.batch, self.learning_rate = steps, batch, learning_rate
        self.decoder, self.latents, self.skew, self.blur, self.ends = decoder, latents, skew, blur, ends
        decoder.requires_grad_(False)  # a text encoder that is not trained needs no gradient
        self.readers = Readers(decoder.spec.dim, reads) if reads else None
        trained = {name: getattr(decoder, name) for name in networks}
        if self.readers is not None:
            self.identity += f", {', '.join(reads)} read linearly"
            trained["readers"] = self.readers
        self.module = nn.ModuleDict(trained).requires_grad_(True)
        if decoder.device.type == "cpu":  # there torch's fused attention takes twice the time, heads being this small
            decoder.unet.set_attn_processor(AttnProcessor())

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        latents, scenes, beside = self.latents.draw(draw, self.batch)
        captions = ["" if draw.rng.random() < UNCONDITIONAL else say(scene, draw.rng) for scene in scenes]
        num_times = self.decoder.scheduler.config.num_train_timesteps
        times_N = draw.integers(num_times, self.skew, len(latents)).amax(0)
        noise = draw.normal(*latents.shape)
        said_NLD = self.decoder.condition(captions)
        if self.blur:
            scattered_NLD = self.blur * said_NLD.shape[-1] ** -0.5 * draw.normal(*said_NLD.shape)
            beside = scattered_NLD if beside is None else beside + scattered_NLD
        missed, count = self.decoder.denoising_loss(self._with(said_NLD, captions, beside), latents, noise, times_N)
        terms = {"denoise": missed / count}
        if self.readers is not None and any(captions):
            told = [index for index, caption in enumerate(captions) if caption]
            terms["read"] = self.readers(F.normalize(said_NLD[told].mean(1), dim=-1), [scenes[index] for index in told])
        return terms

    def _with(self, said_NLD: Tensor, captions: Sequence[str], beside_NLD: Tensor | None) -> Tensor:
        """The conditioning of captions, and what is beside them."""
        if beside_NLD is None:
            return said_NLD
        is_told_N11 = torch.tensor([caption != "" for caption in captions], device=said_NLD.device).view(-1, 1, 1)
        sum_NLD = said_NLD + beside_NLD * is_told_N11
        return F.normalize(sum_NLD, dim=-1) if self.decoder.spec.normalised else sum_NLD


def together(parts: Sequence[Latents]) -> Latents:
    """One after the other; where some have something beside their captions, the others have zeros."""
    some = [part.beside for part in parts if part.beside is not None]
    beside = [torch.zeros(len(p.mean), *some[0].shape[1:]) if p.beside is None else p.beside for p in parts if some]
    mean, std = (torch.cat([getattr(part, name) for part in parts]) for name in ("mean", "std"))
    return Latents(mean, std, [scene for part in parts for scene in part.scenes], torch.cat(beside) if some else None)


@torch.no_grad()
def encode_all(vae: Any, items: Callable[[range], Tensor], number: int) -> tuple[Tensor, Tensor]:
    """Scaled means and standard deviations of all items, ``items(indices)`` being what the autoencoder reads."""
    means, stds, device = [], [], next(vae.parameters()).device
    for first in range(0, number, 250):
        posterior = vae.encode(items(range(first, min(first + 250, number))).to(device)).latent_dist
        means.append(posterior.mean.cpu())
        stds.append(posterior.std.cpu())
    scale = vae.config.scaling_factor
    return torch.cat(means) * scale, torch.cat(stds) * scale
