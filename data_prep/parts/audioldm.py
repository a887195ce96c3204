"""The tiny AudioLDM: sounds of 2 s at 16 kHz from captions of the microworld."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from anyany.models.decoders.audioldm import AudioLDM
from anyany.seeds import rng_of
from data_prep.parts.any_sounds import any_sounds
from data_prep.parts.audioldm_start import RATE_HZ, make
from data_prep.parts.autoencoders import AutoencoderRecipe, set_scaling
from data_prep.parts.between import unpaired
from data_prep.parts.clap import NAMES, TextRecipe
from data_prep.parts.codes import Code
from data_prep.parts.decoders import begun, measured, save
from data_prep.parts.diffusion import DiffusionRecipe, Latents, encode_all, together
from data_prep.parts.grid import beyond_names, directions
from data_prep.parts.job import Job
from data_prep.parts.pools import INT16_MAX, Pool
from data_prep.parts.training import Draw
from data_prep.parts.vocoder import VocoderRecipe, set_range

NAME, MODALITY = "audioldm", "audio"
RECORDS = 12_000
ENDS = ("conv_in", "conv_out", "class_embedding")  # of the denoiser
BLUR = 0.2  # of embeddings, whose values lie 0.63 apart
# What the denoiser hears of records and of each kind beside them, as many as there are records times this.
HEARD: Mapping[Callable[..., Any] | None, float] = {None: 1 / 2, unpaired: 1 / 2, beyond_names: 1}
RECIPE = {
    "vocoder": "log-mel spectrograms to sound: any timbre at any pitch, most of them pitches that have a name, some "
    "with another over them, and invented sounds; what is wanted has its steady pitches at multiples of the frame "
    "rate, which is what a vocoder can make; spectra at several resolutions, no adversary",
    "vae": "100 x 64 log-mel spectrograms of records, varied in speed and mixed, of sounds of any pitch and of "
    "invented ones, to 25 x 16 x 8 latents",
    "clap": "the text encoder: a caption's embedding is the sum of a given vector for each attribute that it says or "
    "leaves unsaid, all at right angles",
    "unet": "the denoiser, by Muon, the text encoder frozen; v-prediction, captions drawn anew and their embeddings "
    "blurred, pure noise at the end of the schedule, and of two times drawn the later, since where noise is strongest "
    "a sound gets its number of events. A quarter of the sounds are records; a quarter have any timbre and any pitch "
    "of those that have a name, novel pairs among them, and are told by one of the two alone; half have a timbre, a "
    "pitch or both out of twelve and four more that have no names, told by vectors of their own",
}


def train(job: Job) -> float:
    """Trains what is not trained yet, and writes the pipeline. Returns the seconds of training."""
    decoder = begun(AudioLDM, job, NAME, make)
    pool = job.pool("audio", RECORDS)
    set_range(decoder.vocoder, spectrograms(decoder, pool, range(200)))
    seconds = job.run(VocoderRecipe(f"{NAME}/vocoder", decoder))
    seconds += job.run(autoencoder_recipe(decoder, pool))
    seconds += job.run(TextRecipe(f"{NAME}/clap", decoder))
    set_scaling(decoder.vae, spectrograms(decoder, pool, range(500)).unsqueeze(1).to(job.device))
    seconds += job.run(denoiser_recipe(decoder, heard(decoder, pool)))
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


def heard(decoder: AudioLDM, pool: Pool) -> Latents:
    """By the denoiser."""
    return together([_encoded(decoder, pool, kind, round(share * len(pool))) for kind, share in HEARD.items()])


def _encoded(decoder: AudioLDM, pool: Pool, kind: Callable[..., Any] | None, number: int) -> Latents:
    if kind is None:
        return Latents(*encode_all(decoder.vae, partial(_of_pool, decoder, pool), number), pool.scenes[:number])
    sounds_NS, scenes, *values = kind(number, rng_of("parts", NAME, kind.__name__))
    beside = directions(values[0], Code(NAMES, decoder.spec.dim)) if values else None
    return Latents(*encode_all(decoder.vae, partial(_of_sounds, decoder, sounds_NS), number), scenes, beside)


def denoiser_recipe(decoder: AudioLDM, latents: Latents, steps: int = 4200, batch: int = 64) -> DiffusionRecipe:
    told = (
        f"{steps} steps of {batch}, Muon, the text encoder frozen, from pure noise, the later of two times, blur {BLUR}"
    )
    return DiffusionRecipe(
        f"{NAME}/unet", decoder, latents, told, steps, batch, 3e-3, ("unet",), skew=2, blur=BLUR, ends=ENDS
    )


def _of_pool(decoder: AudioLDM, pool: Pool, indices: range) -> Tensor:
    return spectrograms(decoder, pool, indices).unsqueeze(1)


def _of_sounds(decoder: AudioLDM, sounds_NS: Tensor, indices: range) -> Tensor:
    """What the autoencoder reads."""
    return _spectrograms(decoder, sounds_NS[indices]).unsqueeze(1)
