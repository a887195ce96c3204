"""The tiny AudioLDM: sounds of 2 s at 16 kHz from captions of the microworld."""

from functools import partial
from pathlib import Path

import torch
from diffusers import AudioLDMPipeline, AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import (
    ClapTextConfig,
    ClapTextModelWithProjection,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

from anyany.models.decoders.audioldm import AudioLDM
from anyany.seeds import rng_of
from data_prep.parts.autoencoders import AutoencoderRecipe, set_scaling
from data_prep.parts.between import Sounds, unpaired, unpitched, untimbred
from data_prep.parts.clap import TextRecipe
from data_prep.parts.clip import from_pure_noise, scheduler
from data_prep.parts.decoders import begun, measured, save
from data_prep.parts.diffusion import DiffusionRecipe, Latents, encode_all
from data_prep.parts.job import Job
from data_prep.parts.pools import INT16_MAX, Pool
from data_prep.parts.tokenizers import roberta_tokenizer
from data_prep.parts.training import Draw
from data_prep.parts.vocoder import VocoderRecipe, any_sounds, set_range
from data_prep.parts.words import captions

NAME, MODALITY = "audioldm", "audio"
RECORDS = 12_000
MAX_TOKENS = 24  # the longest caption has 14
VOCABULARY = 640
CLAP_WIDTH = 64
# Where a tone is steady, a vocoder without memory gives multiples of its frame rate, 50 Hz: a long hop is a fine one.
RATE_HZ, HOP_RATES, NUM_MELS, NUM_FRAMES = 16_000, (8, 8, 5), 64, 100
LATENT_SCALE, LATENT_CHANNELS = 4, 8
STEPS = {"unet": 6000, "halves": 2500, "pairs": 3500}  # of the denoiser
# Sounds told by half, as many as records, times this.
HALVES: dict[str, dict[Sounds, float]] = {
    "unet": {unpitched: 1 / 2},
    "halves": {unpitched: 1, untimbred: 1},
    "pairs": {unpitched: 1 / 4, untimbred: 1 / 4, unpaired: 1},
}
RECIPE = {
    "vocoder": "log-mel spectrograms to sound: records, varied in speed and mixed, sounds of any pitch, and invented "
    "ones; spectra at several resolutions, no adversary",
    "vae": "100 x 64 log-mel spectrograms of the same sounds to 25 x 16 x 8 latents",
    "clap": "the text encoder: a linear layer reads from its embedding each attribute, or that it is not said",
    "unet": "the denoiser, the text encoder frozen; v-prediction, captions drawn anew; a third of the sounds have any "
    "pitch and are told without it",
    "halves": "the denoiser again: a third of the sounds have any pitch, a third any timbre, and are told without it, "
    "so that novel pairs are heard but never named",
    "pairs": "the denoiser again, with pure noise at the end of the schedule: two fifths of the sounds have any timbre "
    "and any pitch of those that have a name, novel pairs among them, and are told by one of the two alone",
}


def train(job: Job) -> float:
    """Trains what is not trained yet, and writes the pipeline. Returns the seconds of training."""
    decoder = begun(AudioLDM, job, NAME, make)
    pool = job.pool("audio", RECORDS)
    set_range(decoder.vocoder, spectrograms(decoder, pool, range(200)))
    seconds = job.run(VocoderRecipe(f"{NAME}/vocoder", decoder, pool))
    seconds += job.run(autoencoder_recipe(decoder, pool))
    seconds += job.run(TextRecipe(f"{NAME}/clap", decoder))
    set_scaling(decoder.vae, spectrograms(decoder, pool, range(500)).unsqueeze(1).to(job.device))
    encoded = Encoded(decoder, pool)
    seconds += sum(job.run(denoiser_recipe(encoded, name, steps)) for name, steps in STEPS.items())
    save(decoder, job.out / NAME)
    return seconds


measure = partial(measured, AudioLDM)


def make(folder: Path) -> None:
    """Writes the untrained pipeline: the one place of its numbers."""
    torch.manual_seed(0)
    tokenizer = roberta_tokenizer(captions(["audio"], 20_000), VOCABULARY, MAX_TOKENS)
    unet = UNet2DConditionModel(
        sample_size=NUM_FRAMES // LATENT_SCALE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=(48, 96),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=(48, 96),  # the blocks' own widths: attention stays within the latents
        attention_head_dim=4,
        norm_num_groups=16,
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
        scheduler=scheduler(),
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
            num_hidden_layers=3,
            num_attention_heads=4,
            projection_dim=CLAP_WIDTH,
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


def spectrograms(decoder: AudioLDM, pool: Pool, indices: range) -> Tensor:
    """``[N, T, M]``."""
    return _spectrograms(decoder, pool.media(indices))


def _spectrograms(decoder: AudioLDM, sounds_NS: Tensor) -> Tensor:
    return decoder.spectrogram(sounds_NS.float() / INT16_MAX)


def autoencoder_recipe(decoder: AudioLDM, pool: Pool, steps: int = 4000, batch: int = 16) -> AutoencoderRecipe:
    def items(draw: Draw) -> Tensor:
        return decoder.spectrogram(any_sounds(pool, batch, RATE_HZ, draw)).unsqueeze(1)

    decoder.vae.requires_grad_(True)
    told = f"{steps} steps of {batch}"
    return AutoencoderRecipe(
        f"{NAME}/vae", decoder.vae, items, told, steps, kl_weight=1e-3
    )  # values are 10 times larger


class Encoded:
    """Latents of the records and of sounds told by half; each kind is rendered and encoded once."""

    def __init__(self, decoder: AudioLDM, pool: Pool):
        self.decoder, self.pool = decoder, pool
        self.kinds: dict[str, Latents] = {}

    def records(self) -> Latents:
        if "records" not in self.kinds:
            items = partial(_of_pool, self.decoder, self.pool)
            self.kinds["records"] = Latents(*encode_all(self.decoder.vae, items, len(self.pool)), self.pool.scenes)
        return self.kinds["records"]

    def first(self, kind: Sounds, number: int) -> Latents:
        name = kind.__name__
        if name not in self.kinds:
            sounds_NS, scenes = kind(len(self.pool), rng_of("parts", NAME, name))
            items = partial(_encoded, self.decoder, sounds_NS)
            self.kinds[name] = Latents(*encode_all(self.decoder.vae, items, len(sounds_NS)), scenes)
        found = self.kinds[name]
        return Latents(found.mean[:number], found.std[:number], found.scenes[:number])


def denoiser_recipe(encoded: Encoded, name: str, steps: int, batch: int = 32) -> DiffusionRecipe:
    decoder, records = encoded.decoder, encoded.records()
    parts = [records] + [encoded.first(kind, round(share * len(records.mean))) for kind, share in HALVES[name].items()]
    mean, std = (torch.cat([getattr(part, value) for part in parts]) for value in ("mean", "std"))
    latents = Latents(mean, std, [scene for part in parts for scene in part.scenes])
    told = f"{steps} steps of {batch}, the text encoder frozen"
    if name == "pairs":
        decoder.scheduler = from_pure_noise(decoder.scheduler)
        told += ", from pure noise"
    return DiffusionRecipe(f"{NAME}/{name}", decoder, latents, told, steps, batch, networks=("unet",))


def _of_pool(decoder: AudioLDM, pool: Pool, indices: range) -> Tensor:
    return spectrograms(decoder, pool, indices).unsqueeze(1)


def _encoded(decoder: AudioLDM, sounds_NS: Tensor, indices: range) -> Tensor:
    """What the autoencoder reads."""
    return _spectrograms(decoder, sounds_NS[indices]).unsqueeze(1)
