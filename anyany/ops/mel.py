"""Log-mel spectrograms as vocoders of the HiFi-GAN family read them (Kong et al. 2020, arXiv 2010.05646).

Shape letters: N sounds, S samples, T frames, B frequency bins, M mel bands.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR = 1e-5  # of the amplitude in a band, before the logarithm
_LINEAR_HZ, _LINEAR_MEL = 1000.0, 15.0  # where Slaney's scale turns logarithmic; 200/3 Hz a mel below
_OCTAVES_A_MEL = math.log2(6.4) / 27


def log_mel(sounds_NS: Tensor, window: int, hop: int, num_mels: int, sample_rate_hz: int) -> Tensor:
    """``[N, T, M]``: natural logarithms of amplitudes, one frame a hop, each in the middle of its stretch.

    Raises:
        ValueError: for fewer samples than the padding reflects.
    """
    pad = (window - hop) // 2
    if sounds_NS.shape[-1] <= pad:
        raise ValueError(f"{sounds_NS.shape[-1]} samples; a spectrogram with window {window} needs more than {pad}")
    padded_NS = F.pad(sounds_NS.unsqueeze(1), (pad, window - hop - pad), mode="reflect").squeeze(1)
    shape_S = torch.hann_window(window, device=sounds_NS.device)
    spectra_NBT = torch.stft(padded_NS, window, hop, window=shape_S, center=False, return_complex=True).abs()
    mel_NMT = slaney_bands(num_mels, window, sample_rate_hz).to(spectra_NBT) @ spectra_NBT
    return mel_NMT.clamp(min=FLOOR).log().transpose(1, 2)


@lru_cache
def slaney_bands(num_mels: int, window: int, sample_rate_hz: int) -> Tensor:
    """``[M, B]`` triangles from 0 Hz to the Nyquist frequency, equally spaced on Slaney's mel scale, each of area 1.

    The scale is linear up to 1 kHz and logarithmic above (Slaney 1998, Auditory Toolbox).
    """
    bins_hz_B = torch.linspace(0, sample_rate_hz / 2, window // 2 + 1, dtype=torch.float64)
    edges_hz = _to_hz(torch.linspace(0, _to_mel(sample_rate_hz / 2), num_mels + 2, dtype=torch.float64))
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rise_MB, fall_MB = (bins_hz_B - low) / (middle - low), (high - bins_hz_B) / (high - middle)
    return (torch.minimum(rise_MB, fall_MB).clamp(min=0) * 2 / (high - low)).float()


def _to_mel(hz: float) -> float:
    return _LINEAR_MEL + math.log2(hz / _LINEAR_HZ) / _OCTAVES_A_MEL if hz > _LINEAR_HZ else hz * 3 / 200


def _to_hz(mel: Tensor) -> Tensor:
    return torch.where(mel < _LINEAR_MEL, mel * 200 / 3, _LINEAR_HZ * 2 ** ((mel - _LINEAR_MEL) * _OCTAVES_A_MEL))
