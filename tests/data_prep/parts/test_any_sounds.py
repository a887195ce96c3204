import math

import numpy as np
import pytest
import torch

from data_prep.parts import any_sounds as module
from data_prep.parts.any_sounds import OCTAVES, any_sounds, varied
from data_prep.parts.invented import invented
from data_prep.parts.training import draw_of

CPU = torch.device("cpu")


class Sounds:
    def draw(self, rng, number):
        return torch.from_numpy(rng.integers(-32_767, 32_768, (number, 60), dtype=np.int16)), []


@pytest.fixture
def _short(monkeypatch):
    """Sounds of any pitch as short as those of ``Sounds``."""
    monkeypatch.setattr(module, "unpitched", lambda n, rng: (torch.full((n, 60), int(rng.integers(9_000))).short(), []))


@pytest.mark.usefixtures("_short")
def test_a_third_of_the_sounds_is_invented_and_a_sixth_has_any_pitch():
    sounds_NS = any_sounds(Sounds(), 12, 16_000, draw_of("toy", 0, CPU))
    draw = draw_of("toy", 0, CPU)
    records_NS = varied(Sounds().draw(draw.rng, 6)[0].float() / 32_767, draw)
    more_NS = torch.full((2, 60), int(draw.rng.integers(9_000)) / 32_767)
    assert torch.equal(sounds_NS, torch.cat([records_NS, more_NS, invented(4, 60, 16_000, draw)]))


def test_variation_shifts_a_pitch_less_than_halfway_to_the_next():
    seconds = torch.arange(32_000) / 16_000
    tone_NS = 0.2 * torch.sin(2 * math.pi * 800 * seconds).expand(8, -1)
    found_hz, untouched = [], 0
    for step in range(12):
        varied_NS = varied(tone_NS, draw_of("toy", step, CPU))
        assert varied_NS.shape == tone_NS.shape
        assert varied_NS.abs().max() <= 1
        spectra_NB = torch.fft.rfft(varied_NS[:, :16_000]).abs()
        found_hz += spectra_NB.argmax(1).tolist()  # bins are 1 Hz apart
        untouched += sum(torch.equal(sound, tone_NS[0]) for sound in varied_NS)
    octaves = np.abs(np.log2(np.array(found_hz) / 800))
    assert octaves.max() <= OCTAVES + 0.01
    assert 0.5 * np.log2(800 / 320) > OCTAVES  # halfway to the next pitch
    assert 0.05 * 96 < untouched < 0.5 * 96  # a quarter is expected
    assert (octaves > 0.05).mean() > 0.2


def test_variation_lays_the_next_sound_over_some():
    one_NS = torch.zeros(4, 8_000)
    one_NS[0] = 0.3
    mixed = torch.stack([varied(one_NS, draw_of("toy", step, CPU))[1] for step in range(20)])
    gains = mixed[:, 4_000] / 0.3  # of sound 0, which lies over sound 1
    assert (gains == 0).sum() > 4
    assert (gains > 0).sum() > 4
    assert gains.max() <= 1
