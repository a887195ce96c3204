import pytest
import torch

from anyany.ops.fuse import fuse, gather

# Shape letters: B batch, T tokens, D width, R rows.
TEXT_BTD = torch.arange(24.0).reshape(2, 4, 3)
ROWS_RD = -torch.arange(1.0, 10.0).reshape(3, 3)
SLOTS_BT = torch.tensor([[-1, 2, 0, -1], [1, -1, -1, -1]])


def plain_loop(text_BTD, rows_RD, slots_BT):
    fused_BTD = text_BTD.clone()
    for b in range(slots_BT.shape[0]):
        for t in range(slots_BT.shape[1]):
            if slots_BT[b, t] >= 0:
                fused_BTD[b, t] = rows_RD[slots_BT[b, t]]
    return fused_BTD


def test_fusing_equals_the_plain_loop():
    fused_BTD = fuse(TEXT_BTD, ROWS_RD, SLOTS_BT)
    torch.testing.assert_close(fused_BTD, plain_loop(TEXT_BTD, ROWS_RD, SLOTS_BT), rtol=0, atol=0)
    assert fused_BTD[0, 1].tolist() == [-7.0, -8.0, -9.0]


def test_gathering_undoes_fusing():
    torch.testing.assert_close(gather(fuse(TEXT_BTD, ROWS_RD, SLOTS_BT), SLOTS_BT, 3), ROWS_RD, rtol=0, atol=0)


def test_a_row_that_no_slot_names_has_gradient_zero():
    rows_RD = ROWS_RD.clone().requires_grad_()
    fuse(TEXT_BTD, rows_RD, torch.full_like(SLOTS_BT, -1)).sum().backward()
    assert rows_RD.grad is not None
    assert rows_RD.grad.abs().sum() == 0


def test_gradients_reach_each_row_once():
    rows_RD = ROWS_RD.clone().requires_grad_()
    fuse(TEXT_BTD, rows_RD, SLOTS_BT).sum().backward()
    torch.testing.assert_close(rows_RD.grad, torch.ones_like(ROWS_RD))


def test_slots_of_another_batch_are_refused():
    with pytest.raises(ValueError, match="slot 2 for 2 rows"):
        fuse(TEXT_BTD, ROWS_RD[:2], SLOTS_BT)
    with pytest.raises(ValueError, match=r"3 positions for 4 slots; each of 0\.\.3"):
        gather(TEXT_BTD, SLOTS_BT, 4)
    with pytest.raises(ValueError, match="must occur exactly once"):
        gather(TEXT_BTD, torch.tensor([[0, 0, 2, -1], [-1, -1, -1, -1]]), 3)
