import math

import pytest
import torch

from anyany.ops.contrastive import contrastive_loss


def test_two_pairs_by_hand():
    # Rows of logits (ln 3, 0) and (0, ln 5): the right ones have probabilities 3/4 and 5/6, in columns too.
    left_ND = torch.tensor([[math.log(3), 0.0], [0.0, math.log(5)]])
    total, count = contrastive_loss(left_ND, torch.eye(2))
    assert count == 4
    assert math.isclose(float(total), 2 * (math.log(4 / 3) + math.log(6 / 5)), rel_tol=1e-6)


def test_both_directions_count():
    # Logits [[0, ln 3], [0, ln 3]]. Rows choose rightly with 1/4 and 3/4, columns with 1/2 and 1/2.
    left_ND = torch.ones(2, 1)
    right_ND = torch.tensor([[0.0], [math.log(3)]])
    total, _ = contrastive_loss(left_ND, right_ND)
    assert math.isclose(float(total), math.log(4) + math.log(4 / 3) + 2 * math.log(2), rel_tol=1e-6)


def test_pairs_of_equal_content_are_no_negatives():
    # All logits alike. Pairs 0 and 1 are equal: each chooses among itself and 2, which chooses among three.
    equal_NN = torch.eye(3, dtype=torch.bool)
    equal_NN[0, 1] = equal_NN[1, 0] = True
    left_ND = torch.zeros(3, 2, requires_grad=True)
    total, count = contrastive_loss(left_ND, torch.ones(3, 2), equal_NN)
    total.backward()
    assert count == 6
    assert math.isclose(total.item(), 2 * (2 * math.log(2) + math.log(3)), rel_tol=1e-6)
    assert torch.isfinite(left_ND.grad).all()
    without_diagonal = equal_NN & ~torch.eye(3, dtype=torch.bool)
    assert float(contrastive_loss(torch.zeros(3, 2), torch.ones(3, 2), without_diagonal)[0]) == total.item()


def test_equal_content_everywhere_is_nothing_to_learn():
    total, count = contrastive_loss(torch.randn(4, 3), torch.randn(4, 3), torch.ones(4, 4, dtype=torch.bool))
    assert (total.item(), count) == (0.0, 8)


@pytest.mark.parametrize("num_pairs", [0, 1])
def test_without_an_alternative_it_is_a_zero_with_a_graph(num_pairs):
    left_ND = torch.randn(num_pairs, 4, requires_grad=True)
    total, count = contrastive_loss(left_ND, torch.randn(num_pairs, 4))
    total.backward()
    assert (total.item(), count) == (0.0, 2 * num_pairs)
    assert left_ND.grad is not None


def test_half_precision_is_summed_in_single():
    left_ND, right_ND = torch.randn(5, 8).bfloat16(), torch.randn(5, 8).bfloat16()
    total, _ = contrastive_loss(left_ND, right_ND)
    assert total.dtype == torch.float32
    torch.testing.assert_close(total, contrastive_loss(left_ND.float(), right_ND.float())[0])


def test_shapes_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match=r"sides of \[2, 3\] and \[3, 3\]"):
        contrastive_loss(torch.zeros(2, 3), torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"equal_mask is \[3, 3\] for 2 pairs"):
        contrastive_loss(torch.zeros(2, 3), torch.zeros(2, 3), torch.ones(3, 3, dtype=torch.bool))
