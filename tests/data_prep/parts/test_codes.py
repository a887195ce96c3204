"""Embeddings as sums, and the text encoder that is trained towards them."""

import pytest
import torch

from anyany.microworld.levels import novel_pairs
from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.scenes import Beeps, Sound
from anyany.models.decoders.audioldm import AudioLDM
from data_prep.parts.clap import NAMES, TextRecipe
from data_prep.parts.codes import Code
from data_prep.parts.training import Training, draw_of

CPU = torch.device("cpu")
WIDTH = 64
NUM_VALUES = 7 + 5 + 4 + 3 + 4  # numbers, timbres, pitches, lengths and glides, each with the unsaid


def test_all_vectors_are_of_one_length_and_at_right_angles(record_property):
    code = Code(NAMES, WIDTH)
    rows = torch.cat([*code.tables_VD.values(), code.free_UD])
    record_property("found", f"{NUM_VALUES} values of {len(NAMES)} attributes in codes of {WIDTH}")
    assert [len(table_VD) for table_VD in code.tables_VD.values()] == [7, 5, 4, 3, 4]
    assert rows.shape == (WIDTH, WIDTH)
    torch.testing.assert_close(rows @ rows.T, torch.eye(WIDTH) / 5)


def test_a_code_is_the_sum_over_attributes_the_unsaid_ones_too():
    code = Code(NAMES, WIDTH)
    said, unsaid = Sound((Beeps(2, "hiss", "low", "long", "flat"),)), Sound((Beeps(2, None, "low", None, None),))
    number, timbre, pitch, length, glide = code.tables_VD.values()
    wanted = [number[1] + timbre[2] + pitch[0] + length[1] + glide[0]]
    wanted.append(number[1] + timbre[4] + pitch[0] + length[2] + glide[3])
    made = code([said, unsaid])
    torch.testing.assert_close(made, torch.stack(wanted))
    torch.testing.assert_close(made.norm(dim=1), torch.ones(2))


def test_a_width_that_holds_too_little_is_refused():
    with pytest.raises(ValueError, match="power of 2"):
        Code(NAMES, 48)
    with pytest.raises(AssertionError, match="16"):
        Code(NAMES, 16)


@pytest.fixture
def decoder(starts) -> AudioLDM:
    one = AudioLDM(starts / "audioldm")
    one.load()
    return one


def test_captions_say_what_the_code_says_and_no_novel_pair(decoder, monkeypatch):
    recipe, told, coded = TextRecipe("toy/clap", decoder, 5, batch=60), [], []
    condition, code = decoder.condition, recipe.code
    monkeypatch.setattr(decoder, "condition", lambda captions: told.extend(captions) or condition(captions))
    monkeypatch.setattr(recipe, "code", lambda scenes: coded.extend(scenes) or code(scenes))
    loss = recipe.loss(draw_of("toy", 0, CPU))["code"].item()
    with torch.no_grad():
        missed = [
            (made - wanted).square().sum() for made, wanted in zip(condition(told)[:, 0], code(coded), strict=True)
        ]
    assert loss == pytest.approx(float(sum(missed)) / 60, rel=1e-5)
    whole = [scene for scene in coded if scene.events[0].timbre and scene.events[0].pitch]
    assert 10 < len(whole) < 35  # of 60; a vague one may leave out its length alone
    for caption, scene in zip(told, coded, strict=True):
        assert not novel_pairs(scene)
        if scene in whole and scene.events[0].length is None and scene.events[0].glide is None:
            assert read_caption(caption, "audio") == scene


def test_the_text_encoder_learns_the_code(decoder, tmp_path):
    run = Training(TextRecipe("toy/clap", decoder, 60, batch=32), tmp_path, CPU)
    losses = [run.one_step()["code"] for _ in range(60)]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    assert {name.partition(".")[0] for name, p in decoder.named_parameters() if p.grad is not None} == {"text_encoder"}
