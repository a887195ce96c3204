import math

import numpy as np
import pytest
import torch
from scipy.signal import stft

from data_prep.parts import vocoder
from data_prep.parts.invented import invented
from data_prep.parts.training import draw_of
from data_prep.parts.vocoder import (
    FLOOR,
    NUM_BINS,
    OCTAVES,
    QUIET,
    WINDOWS,
    VocoderRecipe,
    any_sounds,
    set_range,
    spectral_distance,
    varied,
)
from tests.models.decoders.pipelines import audioldm

CPU = torch.device("cpu")


def sounds(seed, number=2, samples=6_000):
    return 0.2 * torch.randn(number, samples, generator=torch.Generator().manual_seed(seed))


def magnitudes(sounds_NS, window):
    """By another library, in fp64: [N, B, T]."""
    padded = np.pad(sounds_NS.double().numpy(), ((0, 0), (window // 2,) * 2), mode="reflect")
    _, _, spectra = stft(padded, window="hann", nperseg=window, noverlap=window * 3 // 4, boundary=None, padded=False)
    return np.abs(spectra) * window / 2  # scipy divides by the window's sum


@pytest.mark.parametrize("window", WINDOWS)
def test_the_distance_of_one_window_by_another_library(monkeypatch, window):
    monkeypatch.setattr(vocoder, "WINDOWS", (window,))
    made_NS, wanted_NS = sounds(0), sounds(1)
    found = spectral_distance(made_NS, wanted_NS)
    made, wanted = magnitudes(made_NS, window), magnitudes(wanted_NS, window)
    whole = (wanted**2).sum((1, 2))
    made, wanted = made[:, :NUM_BINS], wanted[:, :NUM_BINS]
    relative = np.sqrt(((made - wanted) ** 2).sum((1, 2)) / whole).mean()
    logarithmic = 2 * ((np.log(made + FLOOR) - np.log(wanted + FLOOR)) ** 2).mean()
    assert found["relative"].item() == pytest.approx(relative, rel=1e-4)
    assert found["logarithmic"].item() == pytest.approx(logarithmic, rel=1e-3)


def test_windows_are_averaged(monkeypatch):
    made_NS, wanted_NS = sounds(0), sounds(1)
    together, apart = spectral_distance(made_NS, wanted_NS), []
    for window in WINDOWS:
        monkeypatch.setattr(vocoder, "WINDOWS", (window,))
        apart.append(spectral_distance(made_NS, wanted_NS))
    for name, distance in together.items():
        torch.testing.assert_close(distance, torch.stack([one[name] for one in apart]).mean())


def test_equal_sounds_have_no_distance_and_others_have(monkeypatch):
    assert {name: d.item() for name, d in spectral_distance(sounds(0), sounds(0)).items()} == {
        "relative": 0.0,
        "logarithmic": 0.0,
    }
    monkeypatch.setattr(vocoder, "WINDOWS", (64,))  # all of whose bins count
    louder = spectral_distance(1.5 * sounds(0), sounds(0))
    assert louder["relative"].item() == pytest.approx(0.5, rel=1e-3)
    assert 0.7 * 2 * math.log(1.5) ** 2 < louder["logarithmic"].item() < 2 * math.log(1.5) ** 2  # the floor takes some
    assert all(distance > 0.1 for distance in spectral_distance(sounds(0), sounds(1)).values())


def test_a_sound_that_is_all_but_silent_weighs_less(monkeypatch):
    monkeypatch.setattr(vocoder, "WINDOWS", (64,))
    wanted_NS = torch.cat([sounds(0, number=1), torch.zeros(1, 6_000)])
    made_NS = torch.cat([wanted_NS[:1], 0.01 * sounds(0, number=1)])
    found = spectral_distance(made_NS, wanted_NS)["relative"].item()
    assert found == pytest.approx((0 + 0.01 / QUIET) / 2, rel=0.02)


def test_what_lies_above_the_bins_is_not_blown_up():
    """Of a high tone a long window's lowest bins hold noise alone: it must not weigh as much as the tone."""
    tone_NS = 0.2 * torch.sin(2 * math.pi * 6_000 * torch.arange(6_000) / 16_000).expand(2, -1)
    made_NS, wanted_NS = (tone_NS + 0.005 * sounds(seed) for seed in (0, 1))
    assert spectral_distance(made_NS, wanted_NS)["relative"].item() < 0.02


def test_silence_is_far_and_has_a_gradient(monkeypatch):
    monkeypatch.setattr(vocoder, "WINDOWS", (64,))
    silent_NS = torch.zeros(2, 6_000, requires_grad=True)
    terms = spectral_distance(silent_NS, sounds(0))
    assert terms["relative"].item() == pytest.approx(1.0, rel=1e-3)
    sum(terms.values()).backward()
    assert torch.isfinite(silent_NS.grad).all()
    assert all(torch.isfinite(term) for term in spectral_distance(sounds(0), torch.zeros(2, 6_000)).values())


def test_the_range_is_each_bands_mean_and_spread(tmp_path):
    from anyany.models.decoders.audioldm import AudioLDM

    audioldm(tmp_path)
    decoder = AudioLDM(tmp_path, window=64)
    decoder.load()
    spectrograms_NTM = torch.randn(5, 12, decoder.num_mels) * torch.arange(1.0, 1 + decoder.num_mels) - 7
    set_range(decoder.vocoder, spectrograms_NTM)
    frames_FM = spectrograms_NTM.double().flatten(0, 1).numpy()
    np.testing.assert_allclose(decoder.vocoder.mean.numpy(), frames_FM.mean(0), rtol=1e-4)
    np.testing.assert_allclose(decoder.vocoder.scale.numpy(), frames_FM.std(0, ddof=1), rtol=1e-4)


class Cut:
    """A decoder whose frames are its sounds' own samples, a hop each."""

    hop, sample_rate_hz = 5, 16_000
    vocoder = torch.nn.Flatten()

    def spectrogram(self, sounds_NS):
        return sounds_NS.unflatten(1, (-1, self.hop))


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """Sounds of any pitch as short as those of ``Sounds``."""
    monkeypatch.setattr(vocoder, "unpitched", lambda number, rng: (torch.zeros(number, 60).short(), []))


class Sounds:
    def draw(self, rng, number):
        return torch.from_numpy(rng.integers(-32_767, 32_768, (number, 60), dtype=np.int16)), []


def test_a_third_of_the_sounds_is_invented_and_a_sixth_has_any_pitch(monkeypatch):
    monkeypatch.setattr(
        vocoder, "unpitched", lambda n, rng: (torch.full((n, 60), int(rng.integers(9_000))).short(), [])
    )
    sounds_NS = any_sounds(Sounds(), 12, 16_000, draw_of("toy", 0, CPU))
    draw = draw_of("toy", 0, CPU)
    records_NS = varied(Sounds().draw(draw.rng, 6)[0].float() / 32_767, draw)
    more_NS = torch.full((2, 60), int(draw.rng.integers(9_000)) / 32_767)
    assert torch.equal(sounds_NS, torch.cat([records_NS, more_NS, invented(4, 60, 16_000, draw)]))


def test_stretches_of_sounds_and_spectrograms_line_up():
    recipe, firsts = VocoderRecipe("toy/vocoder", Cut(), Sounds(), batch=200, frames=4), set()
    sounds_NS, frames_NTM = recipe._stretches(draw_of("toy", 0, CPU))
    assert sounds_NS.shape == (200, 20)
    assert torch.equal(frames_NTM.flatten(1), sounds_NS)
    whole = any_sounds(Sounds(), 200, 16_000, draw_of("toy", 0, CPU))
    for sound_S, stretch_S in zip(whole, sounds_NS, strict=True):
        firsts.update(t for t in range(9) if torch.equal(sound_S[5 * t : 5 * t + 20], stretch_S))
    assert firsts == set(range(9))  # the last frame too


def test_a_vocoder_that_gives_its_frames_back_has_no_loss():
    recipe = VocoderRecipe("toy/vocoder", Cut(), Sounds(), batch=2, frames=12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocoder, "WINDOWS", (16, 32))
        assert {name: term.item() for name, term in recipe.loss(draw_of("toy", 0, CPU)).items()} == {
            "relative": 0.0,
            "logarithmic": 0.0,
        }


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
