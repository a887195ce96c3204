import math

import torch

from anyany.ops.losses import IGNORE_INDEX, alignment_loss, kept_loss, next_token_loss


def test_two_labelled_tokens_by_hand():
    # Logits 0 and ln 3 give probabilities 1/4 and 3/4.
    hidden_BTD = torch.tensor([[[0.0, math.log(3)], [math.log(3), 0.0], [9.0, 9.0]]])
    labels_BT = torch.tensor([[IGNORE_INDEX, 1, 1]])  # predicted by the states 0 and 1
    total, count = next_token_loss(hidden_BTD, labels_BT, lambda hidden: hidden)
    assert count == 2
    assert math.isclose(float(total), -math.log(3 / 4) - math.log(1 / 4), rel_tol=1e-6)


def test_logits_are_made_for_labelled_tokens_alone():
    seen = []
    labels_BT = torch.full((2, 5), IGNORE_INDEX)
    labels_BT[0, 3] = labels_BT[1, 1] = 0
    next_token_loss(torch.randn(2, 5, 4), labels_BT, lambda hidden: seen.append(hidden.shape) or hidden)
    assert seen == [(2, 4)]


def test_nothing_labelled_is_a_zero_with_a_graph():
    hidden_BTD = torch.randn(1, 3, 4, requires_grad=True)
    total, count = next_token_loss(hidden_BTD, torch.full((1, 3), IGNORE_INDEX), lambda hidden: hidden)
    total.backward()
    assert (total.item(), count) == (0.0, 0)
    assert hidden_BTD.grad is not None
    assert hidden_BTD.grad.abs().sum() == 0


def test_sums_add_up_over_parts():
    hidden_BTD, labels_BT = torch.randn(6, 5, 7), torch.randint(0, 7, (6, 5))
    labels_BT[labels_BT == 0] = IGNORE_INDEX
    whole, count = next_token_loss(hidden_BTD, labels_BT, lambda hidden: hidden)
    parts = [next_token_loss(hidden_BTD[i : i + 2], labels_BT[i : i + 2], lambda hidden: hidden) for i in (0, 2, 4)]
    torch.testing.assert_close(sum(part for part, _ in parts), whole)
    assert sum(n for _, n in parts) == count


def test_distances_by_hand():
    wanted_NLD = torch.zeros(2, 2, 2)
    made_NLD = torch.tensor([[[3.0, 4.0], [0.0, 1.0]], [[0.0, 0.0], [-6.0, 8.0]]])
    total, count = alignment_loss(made_NLD, wanted_NLD)
    assert (total.item(), count) == ((5 + 1) / 2 + (0 + 10) / 2, 2)


def test_distances_have_a_finite_gradient_where_they_are_zero():
    made_NLD = torch.zeros(1, 3, 4, requires_grad=True)
    wanted_NLD = torch.tensor([[[0.0] * 4, [0.0, 0.0, 0.0, 2.0], [0.0] * 4]])
    alignment_loss(made_NLD, wanted_NLD)[0].backward()
    expected = torch.zeros(1, 3, 4)
    expected[0, 1, 3] = -1 / 3
    torch.testing.assert_close(made_NLD.grad, expected)


def test_distances_of_halves_are_taken_in_fp32():
    made_NLD, wanted_NLD = torch.full((1, 1, 2), 300.0).half(), torch.zeros(1, 1, 2)  # 300 squared is no half
    assert math.isclose(alignment_loss(made_NLD, wanted_NLD)[0].item(), 300 * math.sqrt(2), rel_tol=1e-6)


def test_no_items_are_a_zero_with_a_graph():
    made_NLD = torch.zeros(0, 3, 4, requires_grad=True)
    total, count = alignment_loss(made_NLD, torch.zeros(0, 3, 4))
    total.backward()
    assert (total.item(), count) == (0.0, 0)
    assert made_NLD.grad is not None


def test_temperature_divides_logits_by_hand():
    # Logits 0 and 2 ln 3 give probabilities 1/10 and 9/10, halved 1/4 and 3/4.
    hidden_BTD = torch.tensor([[[0.0, 2 * math.log(3)], [9.0, 9.0]]] * 2)
    labels_BT, temperature_BT = torch.tensor([[IGNORE_INDEX, 1]] * 2), torch.tensor([[7.0, 2.0], [2.0, 1.0]])
    total, _ = next_token_loss(hidden_BTD, labels_BT, lambda hidden: hidden, temperature_BT)
    assert math.isclose(float(total), -math.log(3 / 4) - math.log(9 / 10), rel_tol=1e-6)


def test_what_is_kept_by_hand():
    # Before: 1/2 and 1/2. Now: 1/4, 1/4 and 1/2 for a choice that came later, so ln 2; and 1/8, 1/8, 3/4, so ln 4.
    now_PV = torch.tensor([[1.0, 1.0, 2.0], [1.0, 1.0, 6.0]]).log().requires_grad_()
    total, count = kept_loss(now_PV, torch.zeros(2, 2))
    assert math.isclose(float(total), math.log(2) + math.log(4), rel_tol=1e-6)
    assert count == 2
    total.backward()
    wanted_PV = torch.tensor([[-0.25, -0.25, 0.5], [-0.375, -0.375, 0.75]])  # probabilities less those of before
    torch.testing.assert_close(now_PV.grad, wanted_PV)


def test_nothing_to_keep_is_a_zero_with_a_graph():
    now_PV = torch.zeros(0, 3, requires_grad=True)
    total, count = kept_loss(now_PV, torch.zeros(0, 2))
    total.backward()
    assert (float(total), count) == (0.0, 0)
