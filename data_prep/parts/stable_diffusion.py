"""The tiny Stable Diffusion: pictures of 32 pixels from captions of the microworld."""

from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from anyany.models.decoders.latent_diffusion import from_uint8
from anyany.models.decoders.stable_diffusion import StableDiffusion
from data_prep.parts.autoencoders import AutoencoderRecipe, set_scaling
from data_prep.parts.clip import WIDTH, scheduler, text_encoder
from data_prep.parts.decoders import begun, measured, save
from data_prep.parts.diffusion import DiffusionRecipe, Latents, encode_all
from data_prep.parts.job import Job
from data_prep.parts.pools import Pool
from data_prep.parts.tokenizers import clip_tokenizer
from data_prep.parts.training import Draw
from data_prep.parts.words import captions

NAME, MODALITY = "stable_diffusion", "image"
RECORDS = 40_000
MAX_TOKENS = 16  # the longest caption has 14
VOCABULARY = 700
TINT = 0.22
NO_CHECKER = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


RECIPE = {
    "vae": "32 x 32 pixels, slightly tinted, to 8 x 8 x 4 latents; squared error and a light KL term, no adversary",
    "unet": "the denoiser and its CLIP text encoder together, from nothing; v-prediction, captions drawn anew",
}


def train(job: Job) -> float:
    """Trains what is not trained yet, and writes the pipeline. Returns the seconds of training."""
    decoder = begun(StableDiffusion, job, NAME, make)
    pool = job.pool("image", RECORDS)
    seconds = job.run(autoencoder_recipe(decoder, pool))
    set_scaling(decoder.vae, from_uint8(pool.media(range(500))).to(job.device))
    seconds += job.run(denoiser_recipe(decoder, pool))
    save(decoder, job.out / NAME, **NO_CHECKER)
    return seconds


measure = partial(measured, NAME)


def make(folder: Path) -> None:
    """Writes the untrained pipeline: the one place of its numbers."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer(captions(["image"], 20_000), VOCABULARY, MAX_TOKENS)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(64, 96),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=(4, 6),  # the number of heads, whatever its name says: heads of 16
        use_linear_projection=True,  # as from Stable Diffusion 2 on
        norm_num_groups=16,
    )
    pipeline = StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler(),
        **NO_CHECKER,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def autoencoder() -> AutoencoderKL:
    """32 x 32 x 3 to 8 x 8 x 4 and back."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 48, 64),
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=32,
    )


def autoencoder_recipe(decoder: StableDiffusion, pool: Pool, steps: int = 6000, batch: int = 32) -> AutoencoderRecipe:
    def items(draw: Draw) -> Tensor:
        return from_uint8(tinted(pool.draw(draw.rng, batch)[0], draw)).to(draw.device)

    decoder.vae.requires_grad_(True)
    return AutoencoderRecipe(f"{NAME}/vae", decoder.vae, items, f"{steps} steps of {batch}, tinted by {TINT}", steps)


def tinted(pixels_N3HW: Tensor, draw: Draw) -> Tensor:
    """Each picture's red, green and blue made stronger or weaker, by so little that no colour becomes another.

    Without it the autoencoder learns pairs of colour and shape: small blue rings, which it never saw, came out purple.
    """
    gain_N3 = 1 + TINT * (2 * draw.uniform(len(pixels_N3HW), 3).cpu() - 1)
    return (pixels_N3HW * gain_N3[..., None, None]).clamp(0, 255)


def denoiser_recipe(decoder: StableDiffusion, pool: Pool, steps: int = 6000, batch: int = 64) -> DiffusionRecipe:
    latents = Latents(*encode_all(decoder.vae, lambda i: from_uint8(pool.media(i)), len(pool)), pool.scenes)
    return DiffusionRecipe(f"{NAME}/unet", decoder, latents, f"{steps} steps of {batch}", steps, batch)
