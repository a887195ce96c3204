import math

import numpy as np
import pytest
import torch
from transformers.audio_utils import mel_filter_bank

from anyany.ops.mel import FLOOR, log_mel, slaney_bands

RATE_HZ = 16_000


def bank(num_mels, window, rate_hz):
    """[B, M] of another library."""
    return mel_filter_bank(window // 2 + 1, num_mels, 0.0, rate_hz / 2, rate_hz, "slaney", "slaney")


def log_mel_by_loops(sound, window, hop, num_mels, rate_hz):
    """One frame after the other in fp64, with a Fourier sum instead of an FFT."""
    before = (window - hop) // 2
    after = window - hop - before
    padded = np.concatenate([sound[before:0:-1], sound, sound[-2 : -after - 2 : -1]])
    hann = np.array([0.5 - 0.5 * math.cos(2 * math.pi * i / window) for i in range(window)])
    waves = np.exp(-2j * np.pi * np.outer(np.arange(window // 2 + 1), np.arange(window)) / window)
    rows = []
    for first in range(0, len(padded) - window + 1, hop):
        amplitudes = np.abs(waves @ (padded[first : first + window] * hann))
        rows.append([math.log(max(float(amplitudes @ band), FLOOR)) for band in bank(num_mels, window, rate_hz).T])
    return torch.tensor(rows, dtype=torch.float32)


@pytest.mark.parametrize(("num_mels", "window", "rate_hz"), [(64, 1024, 16_000), (32, 1024, 16_000), (10, 256, 8_000)])
def test_bands_are_slaneys(num_mels, window, rate_hz):
    wanted_BM = torch.from_numpy(bank(num_mels, window, rate_hz)).float()
    torch.testing.assert_close(slaney_bands(num_mels, window, rate_hz), wanted_BM.T, atol=1e-7, rtol=1e-4)


def test_each_band_has_area_one():
    # Sums over bins 1 Hz apart; the lowest edges meet bins, the area of a triangle is exact but for its corners.
    area_M = slaney_bands(20, 16_000, 16_000).sum(1)
    torch.testing.assert_close(area_M, torch.ones(20), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("window", "hop"), [(256, 64), (200, 50), (64, 63), (64, 64)])
def test_equals_plain_loops(window, hop):
    rng = np.random.default_rng(0)
    sound = 0.3 * np.sin(2 * np.pi * 900 * np.arange(hop * 9) / RATE_HZ) + 0.02 * rng.standard_normal(hop * 9)
    found_NTM = log_mel(torch.from_numpy(sound).float()[None], window, hop, 8, RATE_HZ)
    assert found_NTM.shape == (1, 9, 8)
    torch.testing.assert_close(found_NTM[0], log_mel_by_loops(sound, window, hop, 8, RATE_HZ), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("window", "hop"), [(1024, 250), (1024, 160), (400, 160), (512, 511)])
@pytest.mark.parametrize("num_frames", [4, 7, 128])
def test_there_is_a_frame_a_hop(window, hop, num_frames):
    for more in (0, 1, hop - 1):
        sounds_NS = torch.zeros(1, num_frames * hop + more)
        assert log_mel(sounds_NS, window, hop, 5, RATE_HZ).shape == (1, num_frames, 5), more


def test_a_frame_stands_in_the_middle_of_its_stretch():
    sounds_NS = torch.zeros(1, 20 * 100)
    sounds_NS[0, 1250] = 1.0  # the middle of frame 12's stretch
    energy_T = log_mel(sounds_NS, 400, 100, 8, RATE_HZ)[0].sum(-1)
    assert int(energy_T.argmax()) == 12
    assert energy_T[11].item() == pytest.approx(energy_T[13].item(), abs=1e-2)
    assert energy_T[15] == energy_T[9] == 8 * math.log(FLOOR)


def test_silence_is_the_floor():
    found = log_mel(torch.zeros(2, 800), 256, 80, 6, RATE_HZ)
    torch.testing.assert_close(found, torch.full((2, 10, 6), math.log(1e-5)))


def test_a_tone_is_loudest_in_the_band_that_holds_it():
    peaks_hz = bank(32, 1024, RATE_HZ).argmax(0) * RATE_HZ / 1024
    time_s = torch.arange(8_000) / RATE_HZ
    for band in (5, 12, 20, 30):
        tone_S = torch.sin(2 * torch.pi * float(peaks_hz[band]) * time_s)
        loudest_T = log_mel(tone_S[None], 1024, 250, 32, RATE_HZ)[0].argmax(-1)
        assert set(loudest_T[3:-3].tolist()) == {band}


def test_twice_the_amplitude_is_ln_2_more():
    sounds_NS = torch.randn(1, 2_000, generator=torch.Generator().manual_seed(0))
    quiet, loud = (log_mel(factor * sounds_NS, 512, 125, 16, RATE_HZ) for factor in (1, 2))
    torch.testing.assert_close(loud - quiet, torch.full_like(quiet, math.log(2)), atol=1e-4, rtol=0)


def test_sounds_do_not_meet():
    sounds_NS = torch.randn(3, 1_500, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([log_mel(sound_S[None], 512, 125, 16, RATE_HZ) for sound_S in sounds_NS])
    torch.testing.assert_close(log_mel(sounds_NS, 512, 125, 16, RATE_HZ), alone)


def test_a_sound_shorter_than_its_reflection_is_refused():
    pad = (1024 - 250) // 2
    assert log_mel(torch.zeros(1, pad + 1), 1024, 250, 8, RATE_HZ).shape[1] == 1
    with pytest.raises(ValueError, match=f"{pad} samples; a spectrogram with window 1024 needs more than {pad}"):
        log_mel(torch.zeros(1, pad), 1024, 250, 8, RATE_HZ)
