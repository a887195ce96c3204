import pickle
from dataclasses import replace

import pytest
import torch

from anyany.messages.collate import Hole, Sample, collate
from anyany.messages.render import IGNORE_INDEX, NO_SLOT, render
from anyany.messages.types import Media, assistant, user

DUMMIES = {"image": torch.zeros(2), "video": torch.zeros(5)}


def sample(vocabulary, key, *messages, values=()):
    return Sample("source", key, render(messages, vocabulary), values)


@pytest.fixture
def samples(vocabulary):
    """A text, a picture to read, and one to read and one to make."""
    picture, clip = Media("image", member="0.jpg"), Media("video", member="1.mp4")
    drawn = Media("image", caption="c")
    return [
        sample(vocabulary, "text", user("ab"), assistant("c")),
        sample(vocabulary, "picture", user(picture, "a"), assistant("b"), values=[torch.full((2,), 1.0)]),
        sample(
            vocabulary,
            "both",
            user(picture, clip),
            assistant(drawn),
            values=[torch.full((2,), 2.0), torch.full((5,), 3.0)],
        ),
    ]


def test_padding_gives_each_sample_a_row(vocabulary, samples):
    batch = collate([[s] for s in samples], vocabulary, DUMMIES)
    lengths = [len(s.rendered) for s in samples]
    assert lengths == [6, 8, 12]  # <user> a b <asst> c <end>; <user> 3 a <asst> b <end>; <user> 3 4 <asst> 2 <end>
    assert batch.input_ids_BT.shape == (3, 12)
    for b, length in enumerate(lengths):
        torch.testing.assert_close(batch.input_ids_BT[b, :length], torch.from_numpy(samples[b].rendered.input_ids_T))
        assert (batch.input_ids_BT[b, length:] == vocabulary.pad_id).all()
        assert (batch.labels_BT[b, length:] == IGNORE_INDEX).all()
        assert batch.position_ids_BT[b, :length].tolist() == list(range(length))
        assert batch.segment_ids_BT[b].tolist() == [0] * length + [-1] * (12 - length)


def test_packing_restarts_positions_and_numbers_segments(vocabulary, samples):
    batch = collate([samples[:2], samples[2:]], vocabulary, DUMMIES, num_tokens=16)
    assert batch.position_ids_BT[0].tolist() == [*range(6), *range(8), 0, 0]
    assert batch.segment_ids_BT[0].tolist() == [0] * 6 + [1] * 8 + [-1] * 2
    assert batch.is_plain_BT[0].tolist() == [True] * 6 + [False] * 10
    assert not batch.is_plain_BT[1].any()
    assert batch.samples == [("source", "text"), ("source", "picture"), ("source", "both")]


@pytest.mark.parametrize("rows", [[[0], [1], [2]], [[0, 1], [2]], [[2, 1, 0]], [[], [1, 2]]], ids=str)
def test_slots_lead_to_the_values_of_their_own_sample(vocabulary, samples, rows):
    batch = collate([[samples[i] for i in row] for row in rows], vocabulary, DUMMIES)
    image = batch.media["image"]
    # Written out: each image has 3 slots; its value is 1.0 in "picture" and 2.0 in "both".
    placed = torch.where(image.slots_BT >= 0, image.values[image.slots_BT.clamp(min=0) // 3, 0], torch.tensor(0.0))
    for b, row in enumerate(rows):
        first = 0
        for index in row:
            length = len(samples[index].rendered)
            found = placed[b, first : first + length].tolist()
            assert sorted(set(found) - {0.0}) == [[], [1.0], [2.0]][index]
            assert sum(value > 0 for value in found) == [0, 3, 3][index]
            first += length
    assert batch.targets["image"].captions == ["c"]
    signals = batch.targets["image"].signal_slots_BT
    assert signals[signals != NO_SLOT].tolist() == [0, 1]


def test_counts_are_the_denominators(vocabulary, samples):
    batch = collate([[s] for s in samples], vocabulary, DUMMIES)
    # "c" + end, "b" + end, two signals + end; all tokens of the sample that is text alone
    assert batch.counts == {"text": 2 + 2 + 3, "keep": 6, "image/align": 1, "audio/align": 0}
    assert batch.counts["text"] == int((batch.labels_BT != IGNORE_INDEX).sum())


def test_without_a_modality_a_dummy_stands_in_and_no_slot_names_it(vocabulary, samples):
    batch = collate([[samples[0]]], vocabulary, DUMMIES)
    for name, dummy in DUMMIES.items():
        torch.testing.assert_close(batch.media[name].values, dummy[None])
        assert (batch.media[name].slots_BT == NO_SLOT).all()


def test_a_batch_of_nothing_has_a_shape(vocabulary):
    batch = collate([[], []], vocabulary, DUMMIES, holes=[Hole("source", "k", "broken_image")])
    assert batch.input_ids_BT.shape == (2, 1)
    assert batch.counts["text"] == 0
    assert batch.samples == []
    assert len(batch.holes) == 1


def test_media_and_placeholders_that_do_not_match_are_refused_with_both_counts(vocabulary, samples):
    both = samples[2]
    with pytest.raises(ValueError, match="source/both: 2 placeholder runs and 1 media"):
        collate([[replace(both, values=both.values[:1])]], vocabulary, DUMMIES)
    lost = replace(both.rendered, slots={**both.rendered.slots, "image": both.rendered.slots["image"].clip(max=-1)})
    with pytest.raises(ValueError, match=r"source/both: 0 image slots for 1 items of 3 rows \(3\)"):
        collate([[replace(both, rendered=lost)]], vocabulary, DUMMIES)


def test_items_of_two_shapes_are_refused(vocabulary, samples):
    odd = replace(samples[1], values=[torch.zeros(3)])
    with pytest.raises(ValueError, match=r"image items of shapes \[\(2,\), \(3,\)\]"):
        collate([[odd], [samples[2]]], vocabulary, DUMMIES)


def test_a_row_that_is_too_long_is_refused(vocabulary, samples):
    with pytest.raises(ValueError, match="a row holds 12 tokens, more than the 11"):
        collate([[samples[2]]], vocabulary, DUMMIES, num_tokens=11)


def test_moving_and_pickling_keep_everything(vocabulary, samples):
    batch = collate([[s] for s in samples], vocabulary, DUMMIES)
    for copy in (batch.to("cpu"), pickle.loads(pickle.dumps(batch))):
        assert torch.equal(copy.media["image"].values, batch.media["image"].values)
        assert (copy.samples, copy.counts) == (batch.samples, batch.counts)
    assert batch.to("meta").targets["image"].signal_slots_BT.device.type == "meta"
