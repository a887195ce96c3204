"""Training a vocoder without an adversary.

Shape letters: N sounds, S samples, T frames and M bands of a spectrogram.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import SpeechT5HifiGan

from anyany.models.decoders.audioldm import AudioLDM
from data_prep.parts.between import unpitched
from data_prep.parts.invented import invented
from data_prep.parts.pools import INT16_MAX, Pool
from data_prep.parts.training import Draw

# Samples; each with a hop of a quarter. Of steady frames a vocoder makes multiples of the frame rate, 50 Hz, and it
# cannot tell where in a wide band a partial lies. A window that tells such frequencies apart finds the nearest partial
# as wrong as none, and harmonics fall silent: with 1,024 samples all that lie above the first, with 256 far fewer.
WINDOWS = (32, 64, 128, 256)
NUM_BINS = 33  # the lowest of each: to 8, 8, 4 and 2 kHz, since bands are the wider the higher they lie
# The distance of logarithms, in which weak harmonics weigh as much as strong ones, is squared: an absolute one is at
# rest in silence, since of a tone's bins most ask for less.
LOGARITHMIC = 2.0  # its weight
QUIET = 0.2  # of the loudest sound's norm, below which a sound weighs less: between events there is noise alone
INVENTED, UNPITCHED = 1 / 3, 1 / 6  # of the sounds
OCTAVES = 0.4  # of a change of speed, up and down; pitches lie 1.3 apart
FLOOR = 0.1  # of magnitudes before the logarithm: above the background noise, which nothing can foresee


class VocoderRecipe:
    """Spectra at several resolutions, in magnitudes and their logarithms (Yamamoto et al. 2020, arXiv 1910.11480)."""

    def __init__(self, name: str, decoder: AudioLDM, pool: Pool, steps: int = 8000, batch: int = 12, frames: int = 40):
        self.name, self.steps, self.learning_rate = name, steps, 2e-3
        self.batch, self.frames = batch, frames
        self.identity = f"{steps} steps of {batch} stretches of {frames} frames; windows {WINDOWS}, floor {FLOOR}"
        self.decoder, self.pool = decoder, pool
        self.module: Any = decoder.vocoder.requires_grad_(True)

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        sounds_NS, spectrograms_NTM = self._stretches(draw)
        return spectral_distance(self.module(spectrograms_NTM), sounds_NS)

    def _stretches(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Stretches of sounds, and of the spectrograms of the whole."""
        sounds_NS = any_sounds(self.pool, self.batch, self.decoder.sample_rate_hz, draw)
        spectrograms_NTM = self.decoder.spectrogram(sounds_NS)
        hop, num = self.decoder.hop, self.frames
        starts = draw.rng.integers(spectrograms_NTM.shape[1] - num + 1, size=self.batch)
        return (
            torch.stack([sound[t * hop : (t + num) * hop] for sound, t in zip(sounds_NS, starts, strict=True)]),
            torch.stack([frames[t : t + num] for frames, t in zip(spectrograms_NTM, starts, strict=True)]),
        )


def any_sounds(pool: Pool, number: int, rate_hz: int, draw: Draw) -> Tensor:
    """``[N, S]``: records, varied, sounds of any pitch, and invented ones."""
    num_invented, num_unpitched = round(INVENTED * number), round(UNPITCHED * number)
    media, _ = pool.draw(draw.rng, number - num_invented - num_unpitched)
    sounds_NS = varied(media.float().to(draw.device) / INT16_MAX, draw)
    more_NS = unpitched(num_unpitched, draw.rng)[0].float().to(draw.device) / INT16_MAX
    return torch.cat([sounds_NS, more_NS, invented(num_invented, sounds_NS.shape[1], rate_hz, draw)])


def varied(sounds_NS: Tensor, draw: Draw) -> Tensor:
    """Half of the sounds faster or slower, by so little that no pitch becomes another, and half with another over them.

    Without it a vocoder learns pairs of pitch and timbre, and falls silent or hisses where it meets a novel one.
    """
    played_NS = played(sounds_NS, float(2 ** draw.rng.uniform(-OCTAVES, OCTAVES)))
    sounds_NS = torch.where(draw.uniform(len(sounds_NS), 1) < 0.5, sounds_NS, played_NS)
    gain_N1 = (2 * draw.uniform(len(sounds_NS), 1) - 1).clamp(min=0)  # none for half of them
    return (sounds_NS + gain_N1 * sounds_NS.roll(1, dims=0)).clamp(-1, 1)


def played(sounds_NS: Tensor, speed: float) -> Tensor:
    """So many times as fast, then as long as before: cut, or followed by silence."""
    num_samples = sounds_NS.shape[1]
    played_NS = F.interpolate(sounds_NS[:, None], round(num_samples / speed), mode="linear")[:, 0, :num_samples]
    return F.pad(played_NS, (0, num_samples - played_NS.shape[1]))


def spectral_distance(made_NS: Tensor, wanted_NS: Tensor) -> dict[str, Tensor]:
    """Means over windows of each sound's relative distance of magnitudes, and of the square of that of logarithms."""
    relative, logarithmic = [], []
    for window in WINDOWS:
        made, wanted = (_magnitudes(sounds, window) for sounds in (made_NS, wanted_NS))
        whole_N = wanted.flatten(1).norm(dim=1)  # with the bins above: of a high tone they hold all but noise
        made, wanted = made[:, :NUM_BINS], wanted[:, :NUM_BINS]
        apart_N = (made - wanted).flatten(1).norm(dim=1)
        relative.append((apart_N / whole_N.clamp(min=QUIET * whole_N.max())).mean())
        logarithmic.append(((made + FLOOR).log() - (wanted + FLOOR).log()).square().mean())
    return {"relative": torch.stack(relative).mean(), "logarithmic": LOGARITHMIC * torch.stack(logarithmic).mean()}


def _magnitudes(sounds_NS: Tensor, window: int) -> Tensor:
    shape_S = torch.hann_window(window, device=sounds_NS.device)
    spectra = torch.stft(sounds_NS.float(), window, window // 4, window=shape_S, return_complex=True)
    return (spectra.real.square() + spectra.imag.square() + 1e-9).sqrt()


@torch.no_grad()
def set_range(vocoder: SpeechT5HifiGan, spectrograms_NTM: Tensor) -> None:
    """The mean and the spread of each band, by which the vocoder divides what it reads."""
    vocoder.mean.copy_(spectrograms_NTM.mean((0, 1)))
    vocoder.scale.copy_(spectrograms_NTM.std((0, 1)))
