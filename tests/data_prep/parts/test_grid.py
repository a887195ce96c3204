import pytest
import torch

from anyany.microworld.captions import unsaid
from anyany.microworld.levels import LEVELS, sample_scene
from anyany.microworld.oracles.sounds import read_events
from anyany.microworld.scenes import Sound
from anyany.microworld.sounds import PITCH_HZ, PITCH_JITTER
from anyany.seeds import rng_of
from data_prep.parts.clap import NAMES
from data_prep.parts.codes import Code
from data_prep.parts.grid import PITCHES_HZ, WAVES, beyond_names, directions
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


def test_a_value_without_a_name_stands_where_the_unsaid_stands():
    code = Code(NAMES, 64)
    (beeps,) = sample_scene("audio", LEVELS["standard"], rng_of("scene")).events
    for values in [(3, None), (None, 1), (3, 1), (11, 3)]:
        named = Code(NAMES, 64)  # the same vectors, as if they had names
        if values[0] is not None:
            named.tables_VD["timbre"] = code.free_UD[[values[0]] * 5]
        if values[1] is not None:
            named.tables_VD["pitch"] = code.free_UD[[len(WAVES) + values[1]] * 4]
        which = [name for name, value in zip(("timbre", "pitch"), values, strict=True) if value is not None]
        told = Sound((unsaid(beeps, *which),))
        made_N1D = directions([values], code)
        assert made_N1D.shape == (1, 1, 64)
        torch.testing.assert_close(code([told]) + made_N1D[:, 0], named([Sound((beeps,))]))
