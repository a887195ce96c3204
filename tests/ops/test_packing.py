import torch

from anyany.ops.packing import segment_mask


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
