import pytest
import torch

from anyany.microworld.oracles.sounds import read_events
from anyany.microworld.sounds import PITCH_HZ, PITCH_JITTER
from anyany.seeds import rng_of
from data_prep.parts.grid import LENGTH, PITCHES_HZ, WAVES, beyond_names, directions
from data_prep.parts.words import say

NUM = 240


def test_values_without_a_name_are_left_unsaid(record_property):
    sounds_NS, scenes, values = beyond_names(NUM, rng_of("grid"))
    assert len(sounds_NS) == len(scenes) == len(values) == NUM
    kinds = [(timbre is None, pitch is None) for timbre, pitch in values]
    record_property("found", f"{len(set(values))} pairs of values in {NUM} sounds")
    assert (True, True) not in kinds
    assert min(kinds.count(kind) for kind in ((True, False), (False, True), (False, False))) > NUM / 5
    for scene, (timbre, pitch) in zip(scenes, values, strict=True):
        (beeps,) = scene.events
        assert (beeps.timbre is None, beeps.pitch is None) == (timbre is not None, pitch is not None)
        assert "None" not in say(scene, rng_of("say"))
    assert {timbre for timbre, _ in values} == {None, *range(len(WAVES))}
    assert {pitch for _, pitch in values} == {None, *range(len(PITCHES_HZ))}


def test_pitches_are_those_of_their_values():
    sounds_NS, scenes, values = beyond_names(NUM, rng_of("pitches"))
    tones = [
        (sound_S, pitch) for sound_S, scene, (_, pitch) in zip(sounds_NS, scenes, values, strict=True)
        if scene.events[0].timbre == "tone" and scene.events[0].glide in (None, "flat") and pitch is not None
    ]  # fmt: skip
    assert len(tones) > 10
    for sound_S, pitch in tones:
        power_B = torch.fft.rfft(sound_S.float()).abs()
        heard_hz = float(power_B.argmax()) / 2  # of 2 s
        assert heard_hz == pytest.approx(PITCHES_HZ[pitch], rel=PITCH_JITTER + 0.02)
    assert all(abs(hz / named - 1) > 2 * PITCH_JITTER for hz in PITCHES_HZ for named in PITCH_HZ.values())
    assert any(isinstance(read_events(sound_S / 32_767), list) for sound_S, _ in tones)


def test_directions_are_sums_over_values():
    made = directions([(3, None), (None, 1), (3, 1), (4, None)], 64)
    assert made.shape == (4, 1, 64)
    assert made.norm(dim=-1)[[0, 1, 3]].flatten().tolist() == pytest.approx([LENGTH] * 3)
    torch.testing.assert_close(made[2], made[0] + made[1])
    assert abs(float(torch.cosine_similarity(made[0], made[3]))) < 0.5
    assert torch.equal(directions([(3, None)], 64)[0], made[0])
