import numpy as np
import pytest
import torch

from anyany.microworld.sounds import Event, timbre_wave
from data_prep.parts import steady
from data_prep.parts.invented import invented
from data_prep.parts.steady import at_multiples, heard_and_wanted
from data_prep.parts.training import draw_of

CPU = torch.device("cpu")
RATE_HZ = 16_000


def lines_hz(sound_S):
    """The partials that stand out: where a spectrum has a peak within 30 dB of the loudest."""
    power_B = np.abs(np.fft.rfft(np.asarray(sound_S) * np.hanning(len(sound_S)))) ** 2
    hz_B = np.fft.rfftfreq(len(sound_S), 1 / RATE_HZ)
    strong = power_B > power_B.max() / 1_000
    peaks = strong & (power_B > np.roll(power_B, 1)) & (power_B > np.roll(power_B, -1))
    return hz_B[peaks]


@pytest.mark.parametrize("timbre", ["tone", "buzz"])
@pytest.mark.parametrize(
    ("pitch_hz", "nearest_hz"), [(752.0, 750.0), (779.0, 800.0), (310.0, 300.0), (1_951.0, 2_000.0), (1_949.0, 1_900.0)]
)
def test_a_steady_pitch_goes_to_the_nearest_multiple_and_its_partials_with_it(timbre, pitch_hz, nearest_hz):
    made_S = at_multiples(50.0)(Event(timbre, pitch_hz, 2.0, 0.0), RATE_HZ, np.random.default_rng(0))
    found_hz = lines_hz(made_S)
    assert len(found_hz) == (1 if timbre == "tone" else int(7_200 / nearest_hz))
    np.testing.assert_allclose(found_hz, nearest_hz * np.arange(1, len(found_hz) + 1), atol=0.5)


@pytest.mark.parametrize(
    "event", [Event("hiss", 779.0, 0.3, 0.0), Event("chirp", 779.0, 0.3, 0.0), Event("tone", 779.0, 0.3, 1.0)]
)
def test_what_has_no_steady_pitch_stays(event):
    made_S, own_S = (wave(event, RATE_HZ, np.random.default_rng(0)) for wave in (at_multiples(50.0), timbre_wave))
    np.testing.assert_array_equal(made_S, own_S)


def test_both_of_a_pair_are_alike_but_for_their_pitch(monkeypatch, record_property):
    monkeypatch.setattr(steady, "INVENTED", 0.0)
    monkeypatch.setattr(steady, "invented", lambda number, num_samples, *args: torch.zeros(number, num_samples))
    heard_NS, wanted_NS = heard_and_wanted(40, RATE_HZ, 50.0, draw_of("steady", 0, CPU))
    assert heard_NS.shape == wanted_NS.shape == (40, 32_000)
    assert max(heard_NS.abs().max(), wanted_NS.abs().max()) <= 1
    is_same_N = (heard_NS == wanted_NS).all(1)
    record_property("found", f"{int(is_same_N.sum())} of 40 without a steady pitch")
    assert 8 < is_same_N.sum() < 32  # a hiss, a chirp or a glide, with nothing steady over it
    loud = [sounds_NS.unflatten(1, (-1, 320)).square().mean(2).sqrt() for sounds_NS in (heard_NS, wanted_NS)]
    assert (loud[0] - loud[1]).abs().mean() < 0.05 * loud[0].mean()


def test_a_fifth_is_invented_and_its_steady_tones_are_at_multiples(monkeypatch):
    heard_NS, wanted_NS = heard_and_wanted(10, RATE_HZ, 50.0, draw_of("steady", 1, CPU))
    monkeypatch.setattr(steady, "invented", lambda number, *args: torch.zeros(number, 32_000))
    others_NS, _ = heard_and_wanted(10, RATE_HZ, 50.0, draw_of("steady", 1, CPU))
    assert (others_NS == heard_NS).all(1).tolist() == [True] * 8 + [False] * 2
    asked = []

    def noted(number, num_samples, rate_hz, draw, step_hz=None):
        asked.append((number, num_samples, rate_hz, step_hz, draw.generator.get_state()))
        return invented(number, num_samples, rate_hz, draw, step_hz)

    monkeypatch.setattr(steady, "invented", noted)
    assert all(map(torch.equal, heard_and_wanted(10, RATE_HZ, 50.0, draw_of("steady", 1, CPU)), (heard_NS, wanted_NS)))
    assert [one[:4] for one in asked] == [(2, 32_000, RATE_HZ, None), (2, 32_000, RATE_HZ, 50.0)]
    assert torch.equal(asked[0][4], asked[1][4])  # the same sounds
    draw = draw_of("any", 0, CPU)
    for given, step_hz in ((heard_NS, None), (wanted_NS, 50.0)):
        draw.generator.set_state(asked[0][4])
        assert torch.equal(given[8:], invented(2, 32_000, RATE_HZ, draw, step_hz))


def test_an_invented_sound_keeps_all_but_its_steady_tones(monkeypatch):
    from data_prep.parts import invented as module

    monkeypatch.setattr(
        module, "_heard", lambda number, draw: torch.arange(module.VOICES) == torch.full((number, 1), 1)
    )
    monkeypatch.setattr(module, "_gates", lambda number, num_samples, rate_hz, draw: torch.ones(number, num_samples))
    own_NS, moved_NS = (invented(24, 32_000, RATE_HZ, draw_of("voice", 0, CPU), step_hz) for step_hz in (None, 50.0))
    hz_N = [lines_hz(sound)[0] for sound in moved_NS if len(lines_hz(sound)) == 1]
    assert len(hz_N) > 6  # 9 in 16 neither glide nor warble
    np.testing.assert_allclose(hz_N, 50 * np.round(np.array(hz_N) / 50), atol=0.6)
    assert 4 < (own_NS == moved_NS).all(1).sum() < 20  # the others glide or warble
