"""Log mel energies as Kaldi computes them, which audio encoders since AST are trained on.

Shape letters: S samples, T windows, W samples of a window, B bins of its spectrum, M mel bands.
"""

from functools import lru_cache

import torch
from torch import Tensor

WINDOW_S, HOP_S = 0.025, 0.010
_PREEMPHASIS = 0.97
_LOWEST_HZ = 20.0
_FLOOR = 1.1920929e-07  # fp32's epsilon, below which Kaldi does not take logarithms


def kaldi_fbank(sounds_S: Tensor, num_mels: int, sample_rate_hz: int) -> Tensor:
    """``[..., S]`` to ``[..., T, M]``: natural logarithms of mel energies, a window of 25 ms every 10 ms.

    Kaldi's ``compute-fbank-feats`` (feature-window.cc, mel-computations.cc) with ``htk_compat``, a Hann window, no
    dither and no energy. Each window loses its mean, is pre-emphasised by 0.97 and padded to a power of two; the
    bands lie between 20 Hz and half the sample rate. Windows that reach beyond the last sample are left out.

    Raises:
        ValueError: for fewer samples than a window has.
    """
    window, hop = round(WINDOW_S * sample_rate_hz), round(HOP_S * sample_rate_hz)
    if sounds_S.shape[-1] < window:
        raise ValueError(f"{sounds_S.shape[-1]} samples are less than a window of {window}; pad them with zeros")
    num_fft = 1 << (window - 1).bit_length()
    windows_TW = sounds_S.unfold(-1, window, hop)
    windows_TW = windows_TW - windows_TW.mean(-1, keepdim=True)
    before_TW = torch.cat([windows_TW[..., :1], windows_TW[..., :-1]], dim=-1)
    hann_W = torch.hann_window(window, periodic=False, dtype=sounds_S.dtype, device=sounds_S.device)
    spectrum_TB = torch.fft.rfft((windows_TW - _PREEMPHASIS * before_TW) * hann_W, n=num_fft)
    power_TB = spectrum_TB.real.square() + spectrum_TB.imag.square()
    bands_BM = _mel_bands(num_mels, num_fft, sample_rate_hz).to(power_TB)
    return (power_TB @ bands_BM).clamp(min=_FLOOR).log()


def num_windows(num_samples: int, sample_rate_hz: int) -> int:
    """T of that many samples."""
    window, hop = round(WINDOW_S * sample_rate_hz), round(HOP_S * sample_rate_hz)
    return max(0, 1 + (num_samples - window) // hop)


@lru_cache(maxsize=8)
def _mel_bands(num_mels: int, num_fft: int, sample_rate_hz: int) -> Tensor:
    """``[B, M]`` triangles on the mel scale ``1127 ln(1 + hz / 700)``."""
    bins_hz_B = torch.arange(num_fft // 2 + 1, dtype=torch.float64) * sample_rate_hz / num_fft
    lowest, highest = (_mel(torch.tensor(hz, dtype=torch.float64)) for hz in (_LOWEST_HZ, sample_rate_hz / 2))
    width = (highest - lowest) / (num_mels + 1)
    centres_M = lowest + width * torch.arange(1, num_mels + 1, dtype=torch.float64)
    return (1 - (_mel(bins_hz_B)[:, None] - centres_M).abs() / width).clamp(min=0).float()


def _mel(hz: Tensor) -> Tensor:
    return 1127 * (1 + hz / 700).log()
