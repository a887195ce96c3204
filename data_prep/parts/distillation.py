"""A denoiser learns to predict at once what it predicts with guidance: half of the time of all that is drawn.

Classifier-free guidance asks a denoiser twice at each step of sampling, with the caption and without. Small decoders
need it, and its strength is chosen once; so they are taught it (Meng et al. 2023, arXiv 2210.03142, section 3.1, for
one strength).
"""

from copy import deepcopy

import torch
from torch import Tensor

from anyany.models.decoders.latent_diffusion import LatentDiffusion
from anyany.ops.noise import add_noise
from data_prep.parts.diffusion import DiffusionRecipe, Latents
from data_prep.parts.training import Draw
from data_prep.parts.words import say


class GuidanceRecipe(DiffusionRecipe):
    """The mean square between what the denoiser predicts and what it predicted, guided, before this training.

    Args:
        guidance: the strength; afterwards the decoder is asked without any.
    """

    def __init__(
        self, name: str, decoder: LatentDiffusion, latents: Latents, steps: int, guidance: float, batch: int = 64,
        learning_rate: float = 5e-4,
    ):  # fmt: skip
        told = f"{steps} steps of {batch}, guidance {guidance}"
        super().__init__(name, decoder, latents, told, steps, batch, learning_rate, networks=("unet",))
        self.teacher = deepcopy(decoder)
        self.teacher.guidance = guidance

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        latents, scenes, beside = self.latents.draw(draw, self.batch)
        captions = [say(scene, draw.rng) for scene in scenes]
        times_N = draw.integers(self.decoder.scheduler.config.num_train_timesteps, len(latents))
        noisy = add_noise(latents, draw.normal(*latents.shape), self.decoder.scheduler.alphas_cumprod, times_N)
        with torch.no_grad():
            conditioning_NLD = self._with(self.decoder.condition(captions), captions, beside)
            wanted = self.teacher.guided(noisy, times_N, conditioning_NLD, self.decoder.condition([""]))
        missed = self.decoder.predict(noisy, times_N, conditioning_NLD).float() - wanted
        return {"guidance": missed.square().mean()}
