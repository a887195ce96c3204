"""Sounds that mean nothing: tones and bands of noise at any pitch, for parts that must pass any sound on.

A vocoder that has heard the microworld alone learns its pairs of pitch and timbre: a low tone comes out as a hum, a
high buzz as a tone. These sounds say that any spectrum is possible: one voice, or several at frequencies that have
nothing to do with each other. An oracle may still name what it hears (one sound in seven; one in thirty with a pair
that is novel), but no part that learns from them ever reads a word on them: what goes with what is for the denoiser to
find, and that one learns from sounds with words.

Shape letters: N sounds, V voices of each, S samples.
"""

import math

import torch
from torch import Tensor

from data_prep.parts.multiples import nearest_multiple
from data_prep.parts.training import Draw

VOICES = 5  # the first is a band of noise, the others are tones
VOICES_HZ = (200.0, 7_200.0)  # halfway; half of them evenly in octaves, half in Hz: there a vocoder learns the least
GLIDE_OCTAVES = 1.0  # up and down, over a second
WARBLE_OCTAVES, WARBLE_HZ = 0.5, 13.0
QUIETEST = 0.2  # of the voices, next to the loudest
BANDWIDTH = (0.1, 0.6)  # of a band, as a fraction of its middle; a hiss has 0.6
GATE_HZ = (1.0, 4.0)  # how often a sound goes off and on
ON = 0.6  # of the time
FADE_S = 0.01
LOUDNESS = (0.03, 0.25)  # root mean square
GROUND = (0.0005, 0.002)


def invented(number: int, num_samples: int, rate_hz: int, draw: Draw, step_hz: float | None = None) -> Tensor:
    """``[N, S]``, within -1 and 1; steady voices at multiples of ``step_hz``, where it is given."""
    if number == 0:
        return torch.zeros(0, num_samples, device=draw.device)
    level_NV = _heard(number, draw) * QUIETEST ** draw.uniform(number, VOICES)
    voices_NVS = level_NV.unsqueeze(2) * _voices(number, num_samples, rate_hz, draw, step_hz)
    sounds_NS = voices_NVS.sum(1) * _gates(number, num_samples, rate_hz, draw)
    root_N1 = sounds_NS.square().mean(1, keepdim=True).sqrt()
    sounds_NS = sounds_NS * _between(LOUDNESS, draw, number, 1) / root_N1.clamp(min=1e-3)
    return (sounds_NS + _between(GROUND, draw, number, 1) * draw.normal(number, num_samples)).clamp(-1, 1)


def _heard(number: int, draw: Draw) -> Tensor:
    """``[N, V]``: one voice of half of the sounds, two or more of the others."""
    order_NV = draw.uniform(number, VOICES).argsort(1)
    num_N1 = torch.where(draw.uniform(number, 1) < 0.5, 1, 2 + draw.integers(VOICES - 1, number, 1))
    return order_NV < num_N1


def _voices(number: int, num_samples: int, rate_hz: int, draw: Draw, step_hz: float | None) -> Tensor:
    """``[N, V, S]``, each of about the power of a sine."""
    hz_NVS = _frequencies(number, num_samples, rate_hz, draw, step_hz)
    cycles_NVS = hz_NVS.double().cumsum(2) / rate_hz  # a float's steps are a hundredth of a cycle at 10,000 cycles
    phase_NVS = (2 * math.pi * (cycles_NVS % 1)).float() + 2 * math.pi * draw.uniform(number, VOICES, 1)
    bandwidth_hz_N1 = hz_NVS.mean(2)[:, :1] * _between(BANDWIDTH, draw, number, 1)
    wander_NS = _wander(bandwidth_hz_N1, num_samples, rate_hz, draw)
    band_NS = wander_NS.real * phase_NVS[:, 0].cos() - wander_NS.imag * phase_NVS[:, 0].sin()
    return torch.cat([band_NS.unsqueeze(1), phase_NVS[:, 1:].sin()], dim=1)


def _frequencies(number: int, num_samples: int, rate_hz: int, draw: Draw, step_hz: float | None) -> Tensor:
    """``[N, V, S]``, Hz. A quarter of the voices glide, a quarter warble."""
    seconds_S = (torch.arange(num_samples, device=draw.device) - num_samples / 2) / rate_hz
    glide_NV1, warble_NV1 = _some(draw, number, VOICES, 1), _some(draw, number, VOICES, 1)
    warble_S = WARBLE_OCTAVES * torch.sin(2 * math.pi * WARBLE_HZ * seconds_S)
    octaves_NVS = GLIDE_OCTAVES * glide_NV1 * seconds_S + warble_NV1 * warble_S
    low_hz, high_hz = VOICES_HZ
    in_octaves_NV1 = _between(VOICES_HZ, draw, number, VOICES, 1)
    in_hz_NV1 = low_hz + (high_hz - low_hz) * draw.uniform(number, VOICES, 1)
    hz_NV1 = torch.where(draw.uniform(number, VOICES, 1) < 0.5, in_octaves_NV1, in_hz_NV1)
    if step_hz is not None:
        is_steady_NV1 = (glide_NV1 == 0) & (warble_NV1 == 0)
        hz_NV1 = torch.where(is_steady_NV1, nearest_multiple(hz_NV1, step_hz), hz_NV1)
    return (hz_NV1 * octaves_NVS.exp2()).clamp(max=0.45 * rate_hz)


def _wander(bandwidth_hz_N1: Tensor, num_samples: int, rate_hz: int, draw: Draw) -> Tensor:
    """Complex noise ``[N, S]`` around 0 Hz, with a mean square of 1."""
    frequency_hz_S = torch.fft.fftfreq(num_samples, 1 / rate_hz, device=draw.device)
    shape = (len(bandwidth_hz_N1), num_samples)
    spectrum_NS = torch.complex(draw.normal(*shape), draw.normal(*shape))
    noise_NS = torch.fft.ifft(spectrum_NS * torch.exp(-((frequency_hz_S / bandwidth_hz_N1) ** 2)))
    return noise_NS / noise_NS.abs().square().mean(1, keepdim=True).sqrt()


def _gates(number: int, num_samples: int, rate_hz: int, draw: Draw) -> Tensor:
    """``[N, S]``: 1 where a sound is on, 0 where it is off, with fades between them."""
    gate_hz_N1 = _between(GATE_HZ, draw, number, 1)
    turns_NS = gate_hz_N1 * torch.arange(num_samples, device=draw.device) / rate_hz + draw.uniform(number, 1)
    inside_s_NS = (ON / 2 - (turns_NS % 1 - 0.5).abs()) / gate_hz_N1
    return (inside_s_NS / FADE_S).clamp(0, 1)


def _between(bounds: tuple[float, float], draw: Draw, *shape: int) -> Tensor:
    """Evenly in octaves."""
    low, high = bounds
    return low * (high / low) ** draw.uniform(*shape)


def _some(draw: Draw, *shape: int) -> Tensor:
    """Within -1 and 1 for a quarter, 0 for the others."""
    return (2 * draw.uniform(*shape) - 1) * (draw.uniform(*shape) < 0.25)
