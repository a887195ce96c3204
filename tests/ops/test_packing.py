import pytest
import torch

from anyany.ops.packing import SHORTEST, halves, segment_mask, segments_by_length


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


def test_halves_meet_at_the_first_mark():
    segment_ids_BT = torch.tensor([[0, 0, 0, 1, 1, -1], [0, 1, 1, 1, -1, -1]])
    marks_BT = torch.tensor([[0, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]], dtype=torch.bool)
    parts = halves(segment_ids_BT, marks_BT)
    assert parts.before_P[1:].tolist() == [0, 3, 7, 8]
    assert parts.after_P[1:].tolist() == [1, 2, 4, 6, 9]
    (first,), (then,) = parts.first, parts.then
    assert real(first.slots_NL, first.is_real_NL) == [[1], [2], [3, 4]]
    assert real(then.slots_NL, then.is_real_NL) == [[1, 2], [3], [4], [5]]
    # The first row has five tokens, so the second one's are keys 5 to 10.
    seen = [
        [keys[sees].tolist() for sees, is_real in zip(some, reals, strict=True) if is_real]
        for keys, some, reals in zip(then.keys_NK, then.sees_NLK, then.is_real_NL, strict=True)
    ]
    assert seen == [[[1, 6], [1, 6, 7]], [[2, 8]], [[9]], [[3, 4, 10]]]


def real(slots_NL, is_real_NL):
    return [slots[is_real].tolist() for slots, is_real in zip(slots_NL, is_real_NL, strict=True)]


def test_halves_of_padding_alone_are_no_rows():
    parts = halves(torch.full((2, 3), -1), torch.zeros(2, 3, dtype=torch.bool))
    assert len(parts.before_P) == len(parts.after_P) == 1
    assert parts.first == parts.then == []


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
