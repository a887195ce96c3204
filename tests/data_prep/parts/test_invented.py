import numpy as np
import pytest
import torch
from scipy.signal import stft

from anyany.microworld.levels import LEVELS
from anyany.microworld.oracles import ORACLES
from data_prep.parts import invented as module
from data_prep.parts.invented import BANDWIDTH, FADE_S, GATE_HZ, LOUDNESS, ON, VOICES, VOICES_HZ, invented
from data_prep.parts.training import draw_of

CPU = torch.device("cpu")
RATE_HZ = 16_000
SECONDS = 2


def some(number, step=0):
    return invented(number, SECONDS * RATE_HZ, RATE_HZ, draw_of("invented", step, CPU))


def test_sounds_are_as_loud_as_said(record_property):
    sounds_NS = torch.cat([some(16, step) for step in range(8)])
    assert sounds_NS.shape == (128, SECONDS * RATE_HZ)
    assert sounds_NS.abs().max() <= 1
    loud_N = sounds_NS.square().mean(1).sqrt()
    record_property("found", f"{loud_N.min():.3f} to {loud_N.max():.3f} root mean square")
    assert loud_N.min() > 0.9 * LOUDNESS[0]
    assert loud_N.max() < 1.1 * LOUDNESS[1]
    assert loud_N.max() > 4 * loud_N.min()


def test_they_follow_from_the_draw():
    assert torch.equal(some(3), some(3))
    assert not torch.equal(some(3), some(3, step=1))


def alone(monkeypatch, voice):
    """Sounds of one voice that neither glides nor warbles nor pauses."""
    monkeypatch.setattr(module, "_heard", lambda number, draw: torch.arange(VOICES) == torch.full((number, 1), voice))
    monkeypatch.setattr(module, "GROUND", (1e-9, 1e-9))
    monkeypatch.setattr(module, "_some", lambda draw, *shape: torch.zeros(shape))
    monkeypatch.setattr(module, "_gates", lambda number, num_samples, rate_hz, draw: torch.ones(number, num_samples))
    return torch.cat([some(16, step) for step in range(4)]).numpy()


@pytest.mark.parametrize("voice", range(1, VOICES))
def test_tones_lie_on_one_line_each_half_of_them_evenly_in_octaves_and_half_in_hz(monkeypatch, voice):
    powers_NB = np.abs(np.fft.rfft(alone(monkeypatch, voice) * np.hanning(SECONDS * RATE_HZ))) ** 2
    highest_N = powers_NB.argmax(1)
    lines_N = [powers[b - 3 : b + 4].sum() / powers.sum() for powers, b in zip(powers_NB, highest_N, strict=True)]
    assert min(lines_N) > 0.999
    hz_N = highest_N / SECONDS
    assert hz_N.min() > 0.99 * VOICES_HZ[0]
    assert hz_N.max() < 1.01 * VOICES_HZ[1]
    # Below an eighth of the highest: 0.42 of those even in octaves (log 4.5 / log 36), 0.1 of the others.
    assert (hz_N < VOICES_HZ[1] / 8).mean() == pytest.approx(0.26, abs=0.15)
    assert (hz_N > VOICES_HZ[1] / 2).mean() == pytest.approx(0.355, abs=0.15)  # 0.193 and 0.514


def test_the_first_voice_is_a_band_of_noise(monkeypatch):
    powers_NB = np.abs(np.fft.rfft(alone(monkeypatch, 0))) ** 2
    hz_B = np.arange(powers_NB.shape[1]) / SECONDS
    inside = powers_NB * (hz_B < 7_900)
    middle_N = (inside * hz_B).sum(1) / inside.sum(1)
    spread_N = np.sqrt((inside * (hz_B - middle_N[:, None]) ** 2).sum(1) / inside.sum(1))
    low_N = middle_N < 2_000  # the Nyquist frequency cuts no such band; those above the others are folded
    # Of exp(-(f/b)^2) in amplitude, power has a standard deviation of b/2.
    assert low_N.sum() > 20
    assert np.median(spread_N[low_N] / middle_N[low_N]) == pytest.approx(np.sqrt(np.prod(BANDWIDTH)) / 2, rel=0.3)
    assert (spread_N[low_N] / middle_N[low_N]).min() > 0.8 * BANDWIDTH[0] / 2


def test_one_voice_sounds_alone_or_several_together():
    heard_NV = module._heard(4_000, draw_of("heard", 0, CPU))
    numbers = torch.bincount(heard_NV.sum(1), minlength=VOICES + 1) / 4_000
    assert numbers[0] == 0
    assert numbers[1:].tolist() == pytest.approx([0.5, *[0.5 / (VOICES - 1)] * (VOICES - 1)], abs=0.03)
    assert heard_NV.float().mean(0).tolist() == pytest.approx([0.45] * VOICES, abs=0.03)  # (0.5 + 0.5 * 3.5) / 5


def test_gates_open_and_close_as_often_as_said():
    gates_NS = module._gates(200, SECONDS * RATE_HZ, RATE_HZ, draw_of("gates", 0, CPU)).numpy()
    assert gates_NS.min() == 0
    assert gates_NS.max() == 1
    assert gates_NS.mean() == pytest.approx(ON, abs=0.05)
    assert np.abs(np.diff(gates_NS)).max() <= 1.01 / (FADE_S * RATE_HZ)
    opened_N = (np.diff((gates_NS > 0.5).astype(int)) > 0).sum(1)
    assert opened_N.min() >= SECONDS * GATE_HZ[0] - 1
    assert opened_N.max() <= SECONDS * GATE_HZ[1] + 1
    assert len(set(opened_N)) > 4


def test_glides_and_warbles_move_voices_through_the_spectrum(monkeypatch):
    still, moving = alone(monkeypatch, 1), []
    monkeypatch.undo()
    monkeypatch.setattr(module, "_heard", lambda number, draw: torch.arange(VOICES) == torch.full((number, 1), 1))
    monkeypatch.setattr(module, "_gates", lambda number, num_samples, rate_hz, draw: torch.ones(number, num_samples))
    moving = torch.cat([some(16, step) for step in range(4)]).numpy()

    def octaves(sounds_NS):
        _, _, spectra = stft(sounds_NS, nperseg=1024, noverlap=512)
        return np.ptp(np.log2(np.abs(spectra).argmax(1)[:, 2:-2] + 1), axis=1)

    assert np.median(octaves(still)) < 0.3
    assert (octaves(moving) > 0.3).mean() == pytest.approx(0.4, abs=0.2)


def test_few_are_events_of_the_microworld(record_property):
    read = [ORACLES["audio"](sound) for sound in torch.cat([some(20, step) for step in range(5)])]
    named = [scene for scene in read if hasattr(scene, "things")]
    record_property("found", f"{len(named)} of {len(read)} invented sounds that the oracle names")
    assert len(named) <= 0.25 * len(read)
    assert LEVELS["easy"].sample_rate_hz == RATE_HZ
