"""The tiny AudioLDM before it is trained: the one place of its networks' numbers."""

from pathlib import Path

import torch
from diffusers import AudioLDMPipeline, AutoencoderKL, UNet2DConditionModel
from transformers import (
    ClapTextConfig,
    ClapTextModelWithProjection,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

from data_prep.parts.clip import from_pure_noise, scheduler
from data_prep.parts.tokenizers import roberta_tokenizer
from data_prep.parts.words import captions

MAX_TOKENS = 24  # the longest caption has 14
VOCABULARY = 640
CLAP_WIDTH = 64
# Where a tone is steady, a vocoder without memory gives multiples of its frame rate, 50 Hz: a long hop is a fine one.
RATE_HZ, HOP_RATES, NUM_MELS, NUM_FRAMES = 16_000, (8, 8, 5), 64, 100
LATENT_SCALE, LATENT_CHANNELS = 4, 8


def make(folder: Path) -> None:
    """Writes the untrained pipeline."""
    torch.manual_seed(0)
    tokenizer = roberta_tokenizer(captions(["audio"], 20_000), VOCABULARY, MAX_TOKENS)
    unet = UNet2DConditionModel(
        sample_size=NUM_FRAMES // LATENT_SCALE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=(48, 64, 80),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=(48, 64, 80),  # the blocks' own widths: attention stays within the latents
        attention_head_dim=4,
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",  # what is asked for multiplies as well as adds
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=CLAP_WIDTH,
        class_embeddings_concat=True,
    )
    with torch.no_grad():  # a value of a normalised embedding is about CLAP_WIDTH ** -0.5, and would hardly be seen
        unet.class_embedding.weight.mul_(CLAP_WIDTH**0.5)
    pipeline = AudioLDMPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=from_pure_noise(scheduler()),
        vocoder=vocoder(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def autoencoder() -> AutoencoderKL:
    """A spectrogram [1, 100, 64] to a latent [8, 25, 16] and back."""
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=LATENT_CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=NUM_FRAMES,
    )


def text_encoder(tokenizer: RobertaTokenizer) -> ClapTextModelWithProjection:
    return ClapTextModelWithProjection(
        ClapTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=CLAP_WIDTH,
            intermediate_size=4 * CLAP_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            projection_dim=CLAP_WIDTH,
            projection_hidden_act="linear",  # what is to be a sum needs no bend
            max_position_embeddings=MAX_TOKENS + 2,  # RoBERTa's positions begin behind that of padding
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def vocoder() -> SpeechT5HifiGan:
    return SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=NUM_MELS,
            sampling_rate=RATE_HZ,
            upsample_initial_channel=128,
            upsample_rates=HOP_RATES,
            upsample_kernel_sizes=[2 * rate + rate % 2 for rate in HOP_RATES],  # so that a frame gives a hop exactly
            resblock_kernel_sizes=[3, 7],
            resblock_dilation_sizes=[[1, 3], [1, 3]],
            normalize_before=True,
        )
    )
