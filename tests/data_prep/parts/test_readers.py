"""Attributes that are read from embeddings, and the text encoder that is trained by it."""

import math

import pytest
import torch

from anyany.microworld.levels import novel_pairs
from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.scenes import Beeps, Sound
from anyany.models.decoders.audioldm import AudioLDM
from data_prep.parts.clap import TextRecipe
from data_prep.parts.readers import SCALE, Readers, Sums
from data_prep.parts.training import Training, draw_of

CPU = torch.device("cpu")
SCENES = [Sound((Beeps(2, "hiss", "low"),)), Sound((Beeps(1, "tone", None),)), Sound((Beeps(1, "tone", "high"),))]


def plain_loss(layer, embeddings_ND, wanted):
    """Of those that have a wanted value, one by one."""
    losses = []
    for embedding_D, index in zip(embeddings_ND, wanted, strict=True):
        if index is not None:
            scores = [
                (SCALE * embedding_D @ row_D + bias).item() for row_D, bias in zip(*layer.parameters(), strict=True)
            ]
            losses.append(math.log(sum(map(math.exp, scores))) - scores[index])
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("also_unsaid", "of_unsaid"), [(True, 3), (False, None)])
def test_the_loss_equals_a_plain_loop(also_unsaid, of_unsaid):
    torch.manual_seed(0)
    readers, embeddings_ND = Readers(4, ("number", "pitch"), also_unsaid), torch.randn(3, 4) / 10
    for parameter in readers.parameters():
        torch.nn.init.normal_(parameter)
    number, pitch = readers.layers["number"], readers.layers["pitch"]
    assert [layer.out_features for layer in (number, pitch)] == [6 + also_unsaid, 3 + also_unsaid]
    wanted = plain_loss(number, embeddings_ND, [1, 0, 0]) + plain_loss(pitch, embeddings_ND, [0, of_unsaid, 2])
    assert readers(embeddings_ND, SCENES).item() == pytest.approx(wanted, rel=1e-5)


def test_nothing_is_asked_of_what_no_scene_has():
    """A colour of sounds, or a pitch that none of them says."""
    embeddings_ND = torch.randn(1, 4)
    plain = Readers(4, ("number",), also_unsaid=False)
    more = Readers(4, ("number", "color", "pitch"), also_unsaid=False)
    assert more(embeddings_ND, SCENES[1:2]).item() == plain(embeddings_ND, SCENES[1:2]).item()
    assert plain(embeddings_ND, SCENES[1:2]).item() == pytest.approx(math.log(6))


def test_sums_equal_a_plain_loop():
    torch.manual_seed(0)
    sums, embeddings_ND = Sums(4, ("number", "pitch")), torch.nn.functional.normalize(torch.randn(3, 4), dim=-1)
    number, pitch = sums.tables["number"].weight, sums.tables["pitch"].weight
    assert (len(number), len(pitch)) == (7, 4)
    missed = []
    for embedding_D, (of_number, of_pitch) in zip(embeddings_ND, [(1, 0), (0, 3), (0, 2)], strict=True):
        sum_D = number[of_number] + pitch[of_pitch]
        missed.append(((sum_D / sum_D.norm() - embedding_D) ** 2).sum().item())
    assert sums(embeddings_ND, SCENES).item() == pytest.approx(sum(missed) / 3, rel=1e-5)
    exact_D = (number[1] + pitch[0]).detach()
    assert sums(exact_D[None] / exact_D.norm(), SCENES[:1]).item() == pytest.approx(0, abs=1e-6)


@pytest.fixture
def decoder(starts) -> AudioLDM:
    one = AudioLDM(starts / "audioldm")
    one.load()
    return one


def test_captions_say_what_is_asked_for_and_no_novel_pair(decoder, monkeypatch):
    recipe, told, asked = TextRecipe("toy/clap", decoder, 5, batch=60), [], []
    condition, read = decoder.condition, recipe.readers.forward
    monkeypatch.setattr(decoder, "condition", lambda captions: told.extend(captions) or condition(captions))
    monkeypatch.setattr(recipe.readers, "forward", lambda e, scenes: asked.extend(scenes) or read(e, scenes))
    loss = recipe.loss(draw_of("toy", 0, CPU))["reading"].item()
    assert loss == pytest.approx(math.log(7) + math.log(5) + math.log(4) + math.log(3) + math.log(4), rel=1e-5)
    whole = [scene for scene in asked if scene.events[0].timbre and scene.events[0].pitch]
    assert 10 < len(whole) < 35  # of 60; a vague one may leave out its length alone
    for caption, scene in zip(told, asked, strict=True):
        assert not novel_pairs(scene)
        if scene in whole and scene.events[0].length is None and scene.events[0].glide is None:
            assert read_caption(caption, "audio") == scene


def test_the_text_encoder_learns_to_tell_captions_apart(decoder, tmp_path):
    run = Training(TextRecipe("toy/clap", decoder, 60, batch=32), tmp_path, CPU)
    losses = [run.one_step()["reading"] for _ in range(60)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert {name.partition(".")[0] for name, p in decoder.named_parameters() if p.grad is not None} == {"text_encoder"}
