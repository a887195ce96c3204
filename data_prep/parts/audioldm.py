"""The tiny AudioLDM: sounds of 2 s at 16 kHz from captions of the microworld."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from anyany.models.decoders.audioldm import AudioLDM
from anyany.seeds import rng_of
from data_prep.parts.audioldm_start import RATE_HZ, make
from data_prep.parts.autoencoders import AutoencoderRecipe, set_scaling
from data_prep.parts.between import unpaired, unpitched, untimbred
from data_prep.parts.clap import TextRecipe
from data_prep.parts.clip import from_pure_noise
from data_prep.parts.decoders import begun, measured, save
from data_prep.parts.diffusion import DiffusionRecipe, Latents, encode_all, together
from data_prep.parts.grid import beyond_names, directions
from data_prep.parts.job import Job
from data_prep.parts.pools import INT16_MAX, Pool
from data_prep.parts.training import Draw
from data_prep.parts.vocoder import VocoderRecipe, any_sounds, set_range

NAME, MODALITY = "audioldm", "audio"
RECORDS = 12_000
STEPS = {
    "unet": 6000,
    "halves": 2500,
    "pairs": 3500,
    "longer": 6000,
    "grid": 5000,
    "counting": 5000,
    "steady": 8000,
}  # of the denoiser
# Sounds told by half, as many as records, times this.
HALVES: dict[str, dict[Callable[..., Any], float]] = {
    "unet": {unpitched: 1 / 2},
    "halves": {unpitched: 1, untimbred: 1},
    "pairs": {unpitched: 1 / 4, untimbred: 1 / 4, unpaired: 1},
    "longer": {unpaired: 2},  # the same ones twice
    "grid": {unpaired: 1 / 2, beyond_names: 1},
    "counting": {unpaired: 1 / 2, beyond_names: 1 / 2},
    "steady": {unpaired: 1 / 2, beyond_names: 1 / 2},
}
PURE_NOISE = ("pairs", "longer", "grid", "counting", "steady")  # trainings with a schedule that ends there
SKEW = {"counting": 2, "steady": 2}
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
    "longer": "the denoiser again, so that two thirds of the sounds are such",
    "grid": "the denoiser again: two fifths of the sounds have a timbre, a pitch or both out of twelve and four more "
    "that have no names, told by directions of the embedding",
    "counting": "the denoiser again, half of the sounds records, and of two times drawn the later: where noise is "
    "strongest a sound gets its number of events",
    "steady": "more of the same: of its records it has learned nothing by heart",
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

    def first(self, kind: Callable[..., Any], number: int) -> Latents:
        name = kind.__name__
        if name not in self.kinds:
            sounds_NS, scenes, *more = kind(len(self.pool), rng_of("parts", NAME, name))
            items = partial(_encoded, self.decoder, sounds_NS)
            beside = directions(more[0], self.decoder.spec.dim) if more else None
            self.kinds[name] = Latents(*encode_all(self.decoder.vae, items, len(sounds_NS)), scenes, beside)
        return self.kinds[name].at([index % len(self.pool) for index in range(number)])


def denoiser_recipe(encoded: Encoded, name: str, steps: int, batch: int = 32) -> DiffusionRecipe:
    decoder, records = encoded.decoder, encoded.records()
    parts = [records] + [encoded.first(kind, round(share * len(records.mean))) for kind, share in HALVES[name].items()]
    told = f"{steps} steps of {batch}, the text encoder frozen"
    if name in PURE_NOISE:
        decoder.scheduler = from_pure_noise(decoder.scheduler)
        told += ", from pure noise"
    skew = SKEW.get(name, 1)
    if skew > 1:
        told += f", the latest of {skew} times"
    return DiffusionRecipe(
        f"{NAME}/{name}", decoder, together(parts), told, steps, batch, networks=("unet",), skew=skew
    )


def _of_pool(decoder: AudioLDM, pool: Pool, indices: range) -> Tensor:
    return spectrograms(decoder, pool, indices).unsqueeze(1)


def _encoded(decoder: AudioLDM, sounds_NS: Tensor, indices: range) -> Tensor:
    """What the autoencoder reads."""
    return _spectrograms(decoder, sounds_NS[indices]).unsqueeze(1)
