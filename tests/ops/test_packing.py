import pytest
import torch

from anyany.ops.packing import SHORTEST, segment_mask, segments_by_length


def test_a_token_sees_itself_and_what_came_before_it_in_its_segment():
    segment_ids_BT = torch.tensor([[0, 0, 1, 1, 1, -1], [0, 1, 2, -1, -1, -1]])
    seen = segment_mask(segment_ids_BT, torch.float32)[:, 0] == 0
    for b, row in enumerate(segment_ids_BT.tolist()):
        for i, own in enumerate(row):
            for j, other in enumerate(row):
                assert bool(seen[b, i, j]) == (own == other and j <= i), (b, i, j)


def test_it_is_additive_and_four_dimensional():
    mask = segment_mask(torch.tensor([[0, 1]]), torch.bfloat16)
    assert mask.shape == (1, 1, 2, 2)
    assert mask.dtype == torch.bfloat16
    assert mask[0, 0].tolist() == [[0.0, torch.finfo(torch.bfloat16).min], [torch.finfo(torch.bfloat16).min, 0.0]]


@pytest.mark.parametrize("seed", range(8))
def test_segments_by_length_hold_each_token_once_and_no_padding(seed):
    generator = torch.Generator().manual_seed(seed)
    rows, wanted = [], {}
    for b in range(3):
        row = []
        while len(row) < 200:
            length = int(torch.randint(1, 70, (), generator=generator))
            row += [len(set(row))] * length
        cut = 150 + 25 * b
        row = row[:cut] + [-1] * (200 - cut)
        for t, own in enumerate(row):
            if own >= 0:
                wanted.setdefault((b, own), []).append(200 * b + t)
        rows.append(row)
    found = []
    for some in segments_by_length(torch.tensor(rows)):
        lengths = some.is_real_NL.sum(1).tolist()
        assert max(lengths) == some.slots_NL.shape[1]
        assert max(lengths) <= max(SHORTEST, 2 * min(lengths))
        for slots, is_real, length in zip(some.slots_NL.tolist(), some.is_real_NL.tolist(), lengths, strict=True):
            assert is_real == [True] * length + [False] * (len(is_real) - length)
            assert slots[length:] == [slots[length - 1]] * (len(slots) - length)
            found.append(slots[:length])
    assert sorted(found) == sorted(wanted.values())


def test_rows_of_padding_have_no_segments():
    assert segments_by_length(torch.full((2, 5), -1)) == []
    (some,) = segments_by_length(torch.tensor([[0, 0], [0, -1]]))  # rows do not run together
    assert some.slots_NL.tolist() == [[0, 1], [2, 2]]
    assert some.is_real_NL.tolist() == [[True, True], [True, False]]
