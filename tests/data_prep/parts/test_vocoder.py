import math

import numpy as np
import pytest
import torch
from scipy.signal import stft

from data_prep.parts import vocoder
from data_prep.parts.training import draw_of
from data_prep.parts.vocoder import (
    FLOOR,
    QUIET,
    SILENT,
    WINDOWS,
    VocoderRecipe,
    set_range,
    spectral_distance,
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
    monkeypatch.setattr(vocoder, "WINDOWS", (64,))
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


def test_stretches_of_spectrograms_and_sounds_line_up_around_what_is_loud():
    recipe = VocoderRecipe("toy/vocoder", Cut(), batch=200, frames=4, margin=0)
    sounds_NS = torch.rand(200, 60) - 9
    sounds_NS[:, 30:35] += 9  # frame 6 of 12, which is nearly all that is loud
    wanted_NS = torch.arange(12_000.0).view(200, 60)
    frames_NTM, stretches_NS = recipe._stretches(sounds_NS.unflatten(1, (12, 5)), wanted_NS, draw_of("toy", 0, CPU))
    assert frames_NTM.shape == (200, 4, 5)
    assert stretches_NS.shape == (200, 20)
    starts = (stretches_NS[:, 0] - wanted_NS[:, 0]).long()
    for index, start in enumerate(starts.tolist()):
        assert torch.equal(stretches_NS[index], wanted_NS[index, start : start + 20])
        assert torch.equal(frames_NTM[index].flatten(), sounds_NS[index, start : start + 20])
    # SILENT goes to each of the twelve frames, so 1 + SILENT of 1 + 12 SILENT to the loud one.
    assert (starts == 4 * 5).float().mean() == pytest.approx((1 + SILENT) / (1 + 12 * SILENT), abs=0.1)
    assert starts.min() == 0
    assert starts.max() == 8 * 5


def test_a_vocoder_that_makes_what_it_can_has_no_loss(monkeypatch):
    monkeypatch.setattr(vocoder, "WINDOWS", (16, 32))
    same = {"relative": 0.0, "logarithmic": 0.0}
    recipe = VocoderRecipe("toy/vocoder", Cut(), batch=2, frames=12, margin=0)
    told = []

    def pairs(number, rate_hz, step_hz, draw):
        told.append((number, rate_hz, step_hz))
        return sounds(0, number, 60), sounds(0, number, 60)

    monkeypatch.setattr(vocoder, "heard_and_wanted", pairs)
    assert {name: term.item() for name, term in recipe.loss(draw_of("toy", 0, CPU)).items()} == same
    assert told == [(2, 16_000, 3_200)]  # a hop of 5 samples


def test_the_ends_of_a_stretch_are_not_judged(monkeypatch):
    monkeypatch.setattr(vocoder, "WINDOWS", (16, 32))
    heard_NS, wanted_NS = sounds(0, 2, 60), sounds(0, 2, 60)
    wanted_NS[:, :10], wanted_NS[:, -10:] = 0.9, -0.9  # two frames each
    monkeypatch.setattr(vocoder, "heard_and_wanted", lambda *args: (heard_NS, wanted_NS))
    found = [
        VocoderRecipe("toy/vocoder", Cut(), batch=2, frames=12, margin=margin).loss(draw_of("toy", 0, CPU))
        for margin in (1, 2)
    ]
    assert all(term > 0.1 for term in found[0].values())
    assert all(term == 0 for term in found[1].values())
