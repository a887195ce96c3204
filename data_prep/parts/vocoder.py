"""Training a vocoder without an adversary.

Shape letters: N sounds, S samples, T frames and M bands of a spectrogram.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import SpeechT5HifiGan

from anyany.models.decoders.audioldm import AudioLDM
from data_prep.parts.steady import heard_and_wanted
from data_prep.parts.training import Draw, Recipe

WINDOWS = (64, 256, 512, 1280)  # samples, each with a hop of a quarter; the longest tells the multiples of 50 Hz apart
# The distance of logarithms, in which weak harmonics weigh as much as strong ones, is squared: an absolute one is at
# rest in silence, since of a tone's bins most ask for less.
LOGARITHMIC = 2.0  # its weight
QUIET = 0.2  # of the loudest sound's norm, below which a sound weighs less: between events there is noise alone
FLOOR = 0.1  # of magnitudes before the logarithm: above the background noise, which nothing can foresee
SILENT = 0.05  # of the loudest frame, added to what a stretch is drawn by: silence is drawn, if seldom


class VocoderRecipe(Recipe):
    """Spectra at several resolutions, in magnitudes and their logarithms (Yamamoto et al. 2020, arXiv 1910.11480).

    Args:
        frames: of a stretch; the first and last ``margin`` of them, whose neighbours are cut off, are not judged.
    """

    def __init__(
        self, name: str, decoder: AudioLDM, steps: int = 6000, batch: int = 20, frames: int = 24, margin: int = 2
    ):
        self.name, self.steps, self.learning_rate = name, steps, 2e-3
        self.batch, self.frames, self.margin = batch, frames, margin
        judged = f"{frames} frames, {margin} at each end not judged"
        self.identity = f"{steps} steps of {batch} stretches of {judged}; windows {WINDOWS}, floor {FLOOR}"
        self.decoder = decoder
        self.module: Any = decoder.vocoder.requires_grad_(True)

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        rate_hz, hop = self.decoder.sample_rate_hz, self.decoder.hop
        heard_NS, wanted_NS = heard_and_wanted(self.batch, rate_hz, rate_hz / hop, draw)
        frames_NTM, wanted_NS = self._stretches(self.decoder.spectrogram(heard_NS), wanted_NS, draw)
        judged = slice(self.margin * hop, (self.frames - self.margin) * hop)
        return spectral_distance(self.module(frames_NTM)[:, judged], wanted_NS[:, judged])

    def _stretches(self, spectrograms_NTM: Tensor, sounds_NS: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """The frames and the samples of a stretch of each sound, around a frame that is likely loud."""
        hop, num = self.decoder.hop, self.frames
        loud_NT = spectrograms_NTM.exp().sum(2)
        likely_NT = (loud_NT + SILENT * loud_NT.amax(1, keepdim=True)).cpu()
        middles = torch.multinomial(likely_NT, 1, generator=draw.generator).squeeze(1)
        starts = (middles - num // 2).clamp(0, spectrograms_NTM.shape[1] - num).tolist()
        return (
            torch.stack([frames[t : t + num] for frames, t in zip(spectrograms_NTM, starts, strict=True)]),
            torch.stack([sound[t * hop : (t + num) * hop] for sound, t in zip(sounds_NS, starts, strict=True)]),
        )


def spectral_distance(made_NS: Tensor, wanted_NS: Tensor) -> dict[str, Tensor]:
    """Means over windows of each sound's relative distance of magnitudes, and of the square of that of logarithms."""
    relative, logarithmic = [], []
    for window in WINDOWS:
        made, wanted = (_magnitudes(sounds, window) for sounds in (made_NS, wanted_NS))
        whole_N = wanted.flatten(1).norm(dim=1)
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
