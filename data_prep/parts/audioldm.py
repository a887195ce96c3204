"""The tiny AudioLDM: sounds of 2 s at 16 kHz from captions of the microworld."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from anyany.models.decoders.audioldm import AudioLDM
from anyany.seeds import rng_of
from data_prep.parts.audioldm_start import RATE_HZ, make
from data_prep.parts.autoencoders import AutoencoderRecipe, set_scaling
from data_prep.parts.between import unpaired
from data_prep.parts.clap import TextRecipe
from data_prep.parts.decoders import begun, measured, save
from data_prep.parts.diffusion import DiffusionRecipe, Latents, encode_all, together
from data_prep.parts.grid import beyond_names, directions
from data_prep.parts.job import Job
from data_prep.parts.pools import INT16_MAX, Pool
from data_prep.parts.training import Draw
from data_prep.parts.vocoder import VocoderRecipe, any_sounds, set_range

NAME, MODALITY = "audioldm", "audio"
RECORDS = 12_000
STEPS = {"unet": 9000, "grid": 6000}  # of the denoiser
BESIDE: tuple[Callable[..., Any], ...] = (unpaired, beyond_names)
# What a training hears of records and of each kind beside them, as many as there are records times this.
HEARD = {"unet": (1, 1 / 2, 1 / 2), "grid": (1 / 2, 1 / 2, 1)}
RECIPE = {
    "vocoder": "log-mel spectrograms to sound: records, varied in speed and mixed, sounds of any pitch, and invented "
    "ones; spectra at several resolutions, no adversary",
    "vae": "100 x 64 log-mel spectrograms of the same sounds to 25 x 16 x 8 latents",
    "clap": "the text encoder: a linear layer reads from its embedding each attribute, or that it is not said, "
    "and the embedding is a sum over them",
    "unet": "the denoiser, the text encoder frozen; v-prediction, captions drawn anew, pure noise at the end of the "
    "schedule, and of two times drawn the later, since where noise is strongest a sound gets its number of events. "
    "Half of the sounds are records; a quarter have any timbre and any pitch of those that have a name, novel pairs "
    "among them, and are told by one of the two alone; a quarter have a timbre, a pitch or both out of twelve and four "
    "more that have no names, told by directions of the embedding",
    "grid": "the denoiser again; a quarter of the sounds are records, a half have no names",
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
    kinds = encode_sounds(decoder, pool)
    for name, steps in STEPS.items():
        seconds += job.run(denoiser_recipe(decoder, heard(kinds, len(pool), name), name, steps))
    save(decoder, job.out / NAME)
    return seconds


measure = partial(measured, NAME)


def spectrograms(decoder: AudioLDM, pool: Pool, indices: range) -> Tensor:
    """``[N, T, M]``."""
    return _spectrograms(decoder, pool.media(indices))


def _spectrograms(decoder: AudioLDM, sounds_NS: Tensor) -> Tensor:
    return decoder.spectrogram(sounds_NS.float() / INT16_MAX)


def autoencoder_recipe(decoder: AudioLDM, pool: Pool, steps: int = 2500, batch: int = 16) -> AutoencoderRecipe:
    def items(draw: Draw) -> Tensor:
        return decoder.spectrogram(any_sounds(pool, batch, RATE_HZ, draw)).unsqueeze(1)

    decoder.vae.requires_grad_(True)
    told = f"{steps} steps of {batch}"
    return AutoencoderRecipe(
        f"{NAME}/vae", decoder.vae, items, told, steps, kl_weight=1e-3
    )  # values are 10 times larger


def encode_sounds(decoder: AudioLDM, pool: Pool) -> list[Latents]:
    """Of the records and of each kind beside them, as many as any training hears."""
    records = encode_all(decoder.vae, partial(_of_pool, decoder, pool), len(pool))
    kinds = [Latents(*records, pool.scenes)]
    for index, kind in enumerate(BESIDE, start=1):
        number = round(max(shares[index] for shares in HEARD.values()) * len(pool))
        sounds_NS, scenes, *values = kind(number, rng_of("parts", NAME, kind.__name__))
        beside = directions(values[0], decoder.spec.dim) if values else None
        encoded = encode_all(decoder.vae, partial(_of_sounds, decoder, sounds_NS), len(sounds_NS))
        kinds.append(Latents(*encoded, scenes, beside))
    return kinds


def heard(kinds: Sequence[Latents], num_records: int, name: str) -> Latents:
    """By a training of the denoiser."""
    shares = zip(kinds, HEARD[name], strict=True)
    return together([kind.first(round(share * num_records)) for kind, share in shares])


def denoiser_recipe(decoder: AudioLDM, latents: Latents, name: str, steps: int, batch: int = 32) -> DiffusionRecipe:
    told = f"{steps} steps of {batch}, the text encoder frozen, from pure noise, the later of two times"
    return DiffusionRecipe(f"{NAME}/{name}", decoder, latents, told, steps, batch, networks=("unet",), skew=2)


def _of_pool(decoder: AudioLDM, pool: Pool, indices: range) -> Tensor:
    return spectrograms(decoder, pool, indices).unsqueeze(1)


def _of_sounds(decoder: AudioLDM, sounds_NS: Tensor, indices: range) -> Tensor:
    """What the autoencoder reads."""
    return _spectrograms(decoder, sounds_NS[indices]).unsqueeze(1)
