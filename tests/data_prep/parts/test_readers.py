"""Attributes that are read from embeddings."""

import math

import pytest
import torch

from anyany.microworld.scenes import Beeps, Sound
from data_prep.parts.readers import SCALE, Readers

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


def test_the_loss_equals_a_plain_loop():
    torch.manual_seed(0)
    readers, embeddings_ND = Readers(4, ("number", "pitch")), torch.randn(3, 4) / 10
    for parameter in readers.parameters():
        torch.nn.init.normal_(parameter)
    number, pitch = readers.layers["number"], readers.layers["pitch"]
    assert [layer.out_features for layer in (number, pitch)] == [6, 3]
    wanted = plain_loss(number, embeddings_ND, [1, 0, 0]) + plain_loss(pitch, embeddings_ND, [0, None, 2])
    assert readers(embeddings_ND, SCENES).item() == pytest.approx(wanted, rel=1e-5)


def test_nothing_is_asked_of_what_no_scene_has():
    """A colour of sounds, or a pitch that none of them says."""
    embeddings_ND = torch.randn(1, 4)
    plain = Readers(4, ("number",))
    more = Readers(4, ("number", "color", "pitch"))
    assert more(embeddings_ND, SCENES[1:2]).item() == plain(embeddings_ND, SCENES[1:2]).item()
    assert plain(embeddings_ND, SCENES[1:2]).item() == pytest.approx(math.log(6))
