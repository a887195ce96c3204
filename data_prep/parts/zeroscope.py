"""The tiny ZeroScope: clips of 8 frames of 32 pixels from captions of the microworld."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import TextToVideoSDPipeline, UNet3DConditionModel
from diffusers.models.resnet import TemporalConvLayer
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from torch import Tensor, nn

from anyany.faults import UserError
from anyany.models.decoders.latent_diffusion import from_uint8
from anyany.models.decoders.stable_diffusion import StableDiffusion
from anyany.models.decoders.zeroscope import ZeroScope
from data_prep.parts import stable_diffusion
from data_prep.parts.autoencoders import AutoencoderRecipe, set_scaling
from data_prep.parts.clip import begin_as, from_pure_noise, scheduler, text_encoder
from data_prep.parts.decoders import begun, measured, save
from data_prep.parts.diffusion import DiffusionRecipe, Latents, encode_all
from data_prep.parts.job import Job
from data_prep.parts.pools import Pool
from data_prep.parts.tokenizers import clip_tokenizer
from data_prep.parts.training import Draw
from data_prep.parts.words import captions

NAME, MODALITY = "zeroscope", "video"
RECORDS = 20_000
MAX_TOKENS = 24  # the longest caption has 20
VOCABULARY = 740
STEPS = {"unet": 7000}  # of the denoiser
READS = ("number", "color", "shape", "motion", "speed")  # from captions
CLOCK_STEPS = 300  # in which a layer over time learns its clock
RECIPE = {
    "vae": "begins as Stable Diffusion's and goes on with single frames",
    "unet": "begins as Stable Diffusion's denoiser and text encoder, with layers over time that at first multiply by a "
    "clock and do nothing else; v-prediction, captions drawn anew, pure noise at the end of the schedule and more "
    "times near it, where text alone tells what moves where; attributes are read from captions linearly",
}


def train(job: Job) -> float:
    """Trains what is not trained yet, and writes the pipeline. Returns the seconds of training."""
    decoder = begun(ZeroScope, job, NAME, lambda folder: make(folder, job.out / stable_diffusion.NAME))
    pool = job.pool("video", RECORDS)
    seconds = job.run(autoencoder_recipe(decoder, pool))
    set_scaling(decoder.vae, from_uint8(pool.media(range(100)).flatten(0, 1)).to(job.device))
    latents = Latents(*encode_clips(decoder, pool), pool.scenes)
    seconds += sum(job.run(denoiser_recipe(decoder, latents, name, steps)) for name, steps in STEPS.items())
    save(decoder, job.out / NAME)
    return seconds


measure = partial(measured, NAME)


def make(folder: Path, pictures: Path) -> None:
    """Writes the pipeline to begin with: the one place of its numbers.

    Args:
        pictures: the trained Stable Diffusion, as ModelScope's model began from one (arXiv 2308.06571, section 3).
    """
    if not pictures.is_dir():
        raise UserError(f"{pictures} is missing, and {NAME} begins from it: `make parts PART={stable_diffusion.NAME}`")
    painter = StableDiffusion(pictures)
    painter.load()
    torch.manual_seed(0)
    tokenizer = clip_tokenizer(captions(["video"], 20_000), VOCABULARY, MAX_TOKENS)
    encoder = text_encoder(tokenizer)
    begin_as(encoder, tokenizer, painter.text_encoder, painter.tokenizer)
    unet = inflated(painter.unet)
    tell_time(unet)
    pipeline = TextToVideoSDPipeline(
        vae=painter.vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=from_pure_noise(scheduler()),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def inflated(unet: Any) -> UNet3DConditionModel:
    """The denoiser of pictures as one of clips, which treats frame by frame as it did until its time layers learn."""
    config = unet.config
    over_time = UNet3DConditionModel(
        sample_size=config.sample_size,
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        layers_per_block=config.layers_per_block,
        block_out_channels=config.block_out_channels,
        down_block_types=("CrossAttnDownBlock3D",) * len(config.block_out_channels),
        up_block_types=("CrossAttnUpBlock3D",) * len(config.block_out_channels),
        cross_attention_dim=config.cross_attention_dim,
        attention_head_dim=config.block_out_channels[0] // config.attention_head_dim[0],  # here it is the heads' width
        norm_num_groups=config.norm_num_groups,
    )
    weights = over_time.state_dict()
    known = unet.state_dict()
    assert known.keys() <= weights.keys(), "the denoiser of pictures has layers that one of clips has not"
    over_time.load_state_dict(weights | known)
    for layer in over_time.modules():
        if isinstance(layer, TransformerTemporalModel):  # diffusers begins its convolutions over time at zero, not this
            nn.init.zeros_(layer.proj_out.weight)
            nn.init.zeros_(layer.proj_out.bias)
    return over_time


def tell_time(unet: nn.Module, num_frames: int = 8) -> None:
    """Teaches each convolution over time to add a clock, -1 to 1, times a random affine function of its input.

    Nothing else in the network knows the order of frames. What moves left is a matter of frame, place and word at once,
    and where none of their products is there to begin with, no step of learning points towards one: convolutions that
    began at zero gave "left" and "right" the same loss after 72,000 clips.
    """
    clock_F111 = torch.linspace(-1, 1, num_frames).view(-1, 1, 1, 1)
    for layer in unet.modules():
        if not isinstance(layer, TemporalConvLayer):
            continue
        width = layer.conv4[-1].out_channels
        factors_CC, bias_C11 = torch.randn(width, width) / width**0.5, torch.randn(width, 1, 1)
        layer.eval()  # without dropout
        optimizer = torch.optim.Adam(layer.parameters(), lr=5e-3)
        for _ in range(CLOCK_STEPS):
            given_NFCHW = torch.randn(4, 1, width, 2, 2) + 0.5 * torch.randn(4, num_frames, width, 2, 2)
            wanted_NFCHW = clock_F111 * (torch.einsum("dc,nfchw->nfdhw", factors_CC, given_NFCHW) + bias_C11)
            given_XCHW = given_NFCHW.flatten(0, 1)
            added_XCHW = layer(given_XCHW, num_frames=num_frames) - given_XCHW
            optimizer.zero_grad()
            (added_XCHW - wanted_NFCHW.flatten(0, 1)).square().mean().backward()
            optimizer.step()


def autoencoder_recipe(decoder: ZeroScope, pool: Pool, steps: int = 1500, batch: int = 32) -> AutoencoderRecipe:
    def items(draw: Draw) -> Tensor:
        clips, _ = pool.draw(draw.rng, batch)
        frames = draw.rng.integers(clips.shape[1], size=batch)
        return from_uint8(clips[torch.arange(batch), torch.from_numpy(frames)]).to(draw.device)

    decoder.vae.requires_grad_(True)
    return AutoencoderRecipe(f"{NAME}/vae", decoder.vae, items, f"{steps} steps of {batch}", steps, 1e-3)


def denoiser_recipe(
    decoder: ZeroScope, latents: Latents, name: str, steps: int, batch: int = 8, learning_rate: float = 5e-4
) -> DiffusionRecipe:
    told = f"{steps} steps of {batch}, from pure noise, with a clock, from a picture's text encoder"
    return DiffusionRecipe(f"{NAME}/{name}", decoder, latents, told, steps, batch, learning_rate, skew=3, reads=READS)


def encode_clips(decoder: ZeroScope, pool: Pool) -> tuple[Tensor, Tensor]:
    """Means and standard deviations [all, Z, F, h, w]."""
    mean, std = encode_all(decoder.vae, lambda indices: from_uint8(pool.media(indices).flatten(0, 1)), len(pool))
    num = len(pool)
    return mean.unflatten(0, (num, -1)).transpose(1, 2), std.unflatten(0, (num, -1)).transpose(1, 2)
