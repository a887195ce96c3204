import math

import numpy as np
import pytest
import torch

from anyany.ops.fbank import kaldi_fbank, num_windows


def fbank_by_loops(sound, num_mels, rate_hz):
    """Kaldi's steps one after the other in fp64, with a Fourier sum instead of an FFT."""
    window, hop = rate_hz * 25 // 1000, rate_hz * 10 // 1000
    num_fft = 2 ** math.ceil(math.log2(window))
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * i / (window - 1)) for i in range(window)]
    waves = np.exp(-2j * np.pi * np.outer(np.arange(num_fft // 2), np.arange(window)) / num_fft)
    mel = lambda hz: 1127 * math.log(1 + hz / 700)  # noqa: E731
    edges = np.linspace(mel(20), mel(rate_hz / 2), num_mels + 2)
    rows = []
    for start in range(0, len(sound) - window + 1, hop):
        piece = sound[start : start + window] - sound[start : start + window].mean()
        shaped = [(piece[i] - 0.97 * piece[max(i - 1, 0)]) * hann[i] for i in range(window)]
        power = np.abs(waves @ np.array(shaped)) ** 2
        energies = [0.0] * num_mels
        for bin_, value in enumerate(power):
            at = mel(bin_ * rate_hz / num_fft)
            for band in range(num_mels):
                left, centre, right = edges[band : band + 3]
                weight = min((at - left) / (centre - left), (right - at) / (right - centre))
                energies[band] += max(0.0, weight) * value
        rows.append([math.log(max(energy, 1.1920929e-07)) for energy in energies])
    return torch.tensor(rows, dtype=torch.float32)


@pytest.mark.parametrize(("rate_hz", "num_mels"), [(16_000, 40), (8_000, 23)])
def test_equals_plain_loops(rate_hz, num_mels):
    rng = np.random.default_rng(0)
    time_s = np.arange(rate_hz // 8) / rate_hz
    sound = 0.4 * np.sin(2 * np.pi * 700 * time_s) + 0.05 * rng.standard_normal(len(time_s)) + 0.2
    found_TM = kaldi_fbank(torch.from_numpy(sound).float(), num_mels, rate_hz)
    wanted_TM = fbank_by_loops(sound, num_mels, rate_hz)
    assert found_TM.shape == (num_windows(len(sound), rate_hz), num_mels) == (11, num_mels)
    torch.testing.assert_close(found_TM, wanted_TM, atol=1e-4, rtol=0)


def test_numbers_of_windows():
    assert [num_windows(n, 16_000) for n in (0, 399, 400, 559, 560, 32_000)] == [0, 0, 1, 1, 2, 198]
    assert kaldi_fbank(torch.zeros(32_000), 128, 16_000).shape == (198, 128)


def test_silence_is_the_floor():
    floor_TM = kaldi_fbank(torch.full((560,), 0.3), 8, 16_000)
    torch.testing.assert_close(floor_TM, torch.full((2, 8), math.log(1.1920929e-07)))


def test_a_batch_is_its_sounds_one_by_one():
    sounds_NS = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
    alone_NTM = torch.stack([kaldi_fbank(sound_S, 16, 16_000) for sound_S in sounds_NS])
    torch.testing.assert_close(kaldi_fbank(sounds_NS, 16, 16_000), alone_NTM)


def test_less_than_a_window_is_refused():
    with pytest.raises(ValueError, match="399 samples are less than a window of 400"):
        kaldi_fbank(torch.zeros(399), 8, 16_000)
