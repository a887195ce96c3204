import re

import numpy as np
import pytest
import torch

from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.oracles.sounds import RATE_HZ, read_events
from anyany.microworld.questions import VALUES
from anyany.microworld.scenes import PITCHES, TIMBRES
from anyany.microworld.sounds import PITCH_HZ, Event, render_sound
from anyany.seeds import rng_of
from data_prep.parts.between import (
    mixture,
    unpitched,
    untimbred,
)
from data_prep.parts.words import say


def test_every_timbre_has_any_pitch(record_property):
    sounds_NS, scenes = unpitched(240, rng_of("pitches"))
    found = {timbre: [] for timbre in TIMBRES}
    for sound_S, scene in zip(sounds_NS, scenes, strict=True):
        heard = read_events(sound_S / 32_767)
        if isinstance(heard, list) and {event.timbre for event in heard} == {scene.events[0].timbre}:
            found[scene.events[0].timbre] += [event.pitch for event in heard]
    record_property("found", f"{sum(map(len, found.values()))} events of {len(found)} timbres")
    for pitches in found.values():  # the oracle knows three bands of pitch, and calls what lies between by the nearest
        assert set(pitches) == set(PITCHES)


@pytest.mark.parametrize(("make", "name"), [(unpitched, "pitch"), (untimbred, "timbre")])
def test_captions_leave_out_what_is_between_the_words(make, name):
    sounds_NS, scenes = make(30, rng_of("between", name))
    assert sounds_NS.shape == (30, 2 * RATE_HZ)
    assert sounds_NS.dtype == torch.int16
    assert not sounds_NS.abs().amax(1).eq(0).any()
    named = {word for value in VALUES[name] for word in (value, f"{value}s")}
    for scene in scenes:
        assert getattr(scene.events[0], name) is None
        assert not named & set(re.findall(r"\w+", say(scene, rng_of("say")).lower()))
    assert {vars(scene.events[0])[other] for scene in scenes for other in {"pitch", "timbre"} - {name}} == set(
        VALUES[({"pitch", "timbre"} - {name}).pop()]
    )


def test_mixtures_lie_between_the_named_timbres(record_property):
    """From a line to a band of noise: power of the first partial and of the noise."""
    first, noise = [], []
    for index in range(40):
        wave_S = mixture(rng_of("mixture", index))(Event("tone", 500.0, 0.4, 0.0), RATE_HZ, rng_of("wave", index))
        assert np.sqrt(np.mean(wave_S**2)) == pytest.approx(1.0, rel=0.15)
        power_B = np.abs(np.fft.rfft(wave_S * np.hanning(len(wave_S)))) ** 2
        hz_B = np.arange(len(power_B)) * RATE_HZ / len(wave_S)
        lines = [power_B[np.abs(hz_B - k * 500) < 6].sum() / power_B.sum() for k in range(1, 15)]
        first.append(lines[0])
        noise.append(1 - sum(lines))
    record_property(
        "found", f"first partial {min(first):.2f} to {max(first):.2f}, noise {min(noise):.2f} to {max(noise):.2f}"
    )
    assert min(first) < 0.3 < 0.6 < max(first)
    assert min(noise) < 0.2 < 0.7 < max(noise)


def test_sounds_are_what_they_are_told_to_be():
    sounds_NS, scenes = unpitched(60, rng_of("unpitched"))
    assert sounds_NS.dtype == torch.int16
    assert sounds_NS.shape == (60, 2 * RATE_HZ)
    right = 0
    for sound_S, scene in zip(sounds_NS, scenes, strict=True):
        (beeps,) = scene.events
        assert beeps.pitch is None
        heard = read_events(sound_S / 32_767)
        right += isinstance(heard, list) and [event.timbre for event in heard] == [beeps.timbre] * beeps.number
    assert right > 40  # the oracle has no picture of what lies between


def test_a_pitch_takes_the_place_of_the_named_one_and_of_nothing_else():
    scene = sample_scene("audio", LEVELS["easy"], rng_of("scene"))
    named = PITCH_HZ[scene.events[0].pitch]
    plain, same, other = (
        render_sound(scene, LEVELS["easy"], rng_of("sound"), pitch_hz) for pitch_hz in (None, named, 1.5 * named)
    )
    assert torch.equal(plain, same)
    assert not torch.equal(plain, other)
    silent_S = (plain == 0) | (plain.abs() < 0.01)
    assert torch.equal(silent_S[:500], other[:500].abs() < 0.01)  # events begin where they began
