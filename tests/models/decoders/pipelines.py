"""Untrained pipelines of three families, as small as their classes allow, saved as diffusers saves them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import (
    AudioLDMPipeline,
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    TextToVideoSDPipeline,
    UNet2DConditionModel,
    UNet3DConditionModel,
)
from torch import Tensor
from transformers import (
    ClapTextConfig,
    ClapTextModelWithProjection,
    CLIPTextConfig,
    CLIPTextModel,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

from anyany.models.decoders.audioldm import AudioLDM
from anyany.models.decoders.latent_diffusion import LatentDiffusion
from anyany.models.decoders.stable_diffusion import StableDiffusion
from anyany.models.decoders.zeroscope import ZeroScope
from data_prep.parts.tokenizers import clip_tokenizer, roberta_tokenizer

CAPTIONS = ("a red square", "two low tones", "")
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SCHEDULERS = {  # by what the denoiser predicts; the first two are those of the published pipelines
    "pndm": PNDMScheduler(**NOISE, skip_prk_steps=True),
    "ddim": DDIMScheduler(**NOISE, clip_sample=False, set_alpha_to_one=False),
    "sample": DDIMScheduler(**NOISE, clip_sample=False, prediction_type="sample"),
    "dpm_v": DPMSolverMultistepScheduler(**NOISE, prediction_type="v_prediction"),
}
NUM_FRAMES, WINDOW = 3, 64


class Family(NamedTuple):
    kind: type[LatentDiffusion]
    make: Callable[[Path], None]
    options: Mapping[str, Any]  # of the constructor
    media: Callable[[int], Tensor]  # so many items that it can read


def stable_diffusion(folder: Path, scheduler: Any = SCHEDULERS["pndm"]) -> None:
    torch.manual_seed(0)
    tokenizer = clip_tokenizer(["a red square", "two blue rings"], 540, 9)
    pipeline = StableDiffusionPipeline(
        vae=_autoencoder(3, 4),
        text_encoder=_clip(tokenizer),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            in_channels=4,
            out_channels=4,
            sample_size=8,
            down_block_types=("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",),
            block_out_channels=(8,),
            layers_per_block=1,
            cross_attention_dim=12,
            attention_head_dim=4,
            norm_num_groups=2,
        ),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)


def zeroscope(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = clip_tokenizer(["a red square moves", "two rings grow"], 540, 9)
    pipeline = TextToVideoSDPipeline(
        vae=_autoencoder(3, 4),
        text_encoder=_clip(tokenizer),
        tokenizer=tokenizer,
        unet=UNet3DConditionModel(
            in_channels=4,
            out_channels=4,
            sample_size=4,
            down_block_types=("CrossAttnDownBlock3D",),
            up_block_types=("CrossAttnUpBlock3D",),
            block_out_channels=(8,),
            layers_per_block=1,
            cross_attention_dim=12,
            attention_head_dim=4,
            norm_num_groups=2,
        ),
        scheduler=SCHEDULERS["ddim"],
    )
    for module in pipeline.unet.modules():  # diffusers begins convolutions over time at zero
        if isinstance(module, torch.nn.Conv3d):
            torch.nn.init.normal_(module.weight, std=0.3)
    pipeline.save_pretrained(folder)


def audioldm(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = roberta_tokenizer(["two low tones", "a high buzz"], 300, 9)
    text_encoder = ClapTextModelWithProjection(
        ClapTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=12,
            intermediate_size=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            projection_dim=10,
            max_position_embeddings=20,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    pipeline = AudioLDMPipeline(
        vae=_autoencoder(1, 3),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            in_channels=3,
            out_channels=3,
            sample_size=6,
            down_block_types=("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",),
            block_out_channels=(8,),
            layers_per_block=1,
            cross_attention_dim=8,
            attention_head_dim=4,
            norm_num_groups=2,
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=10,
            class_embeddings_concat=True,
        ),
        scheduler=SCHEDULERS["dpm_v"],
        vocoder=SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=8,
                sampling_rate=800,
                upsample_initial_channel=8,
                upsample_rates=[4, 4],
                upsample_kernel_sizes=[8, 8],
                resblock_kernel_sizes=[3],
                resblock_dilation_sizes=[[1, 3]],
            )
        ),
    )
    for parameter in pipeline.vocoder.parameters():  # as it begins, it whispers
        parameter.data.mul_(30)
    pipeline.save_pretrained(folder)


FAMILIES = {
    "stable_diffusion": Family(
        StableDiffusion, stable_diffusion, {}, lambda n: torch.randint(0, 256, (n, 3, 16, 16), dtype=torch.uint8)
    ),
    "zeroscope": Family(
        ZeroScope,
        zeroscope,
        {"num_frames": NUM_FRAMES},
        lambda n: torch.randint(0, 256, (n, NUM_FRAMES, 3, 8, 8), dtype=torch.uint8),
    ),
    "audioldm": Family(AudioLDM, audioldm, {"window": WINDOW}, lambda n: torch.rand(n, 12 * 16) * 2 - 1),
}


def _autoencoder(channels: int, latent_channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        latent_channels=latent_channels,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        scaling_factor=0.37,
    )


def _clip(tokenizer: Any) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=12,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
