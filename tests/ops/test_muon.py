import pytest
import torch
from torch import nn

from anyany.ops.muon import RMS, Muon, orthogonal


def matrix(rows, columns, singular):
    """With these singular values, and its orthogonal factor."""
    generator = torch.Generator().manual_seed(rows)
    left, _ = torch.linalg.qr(torch.randn(rows, len(singular), generator=generator, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(columns, len(singular), generator=generator, dtype=torch.float64))
    return left @ torch.tensor(singular, dtype=torch.float64).diag() @ right.T, left @ right.T


@pytest.mark.parametrize(("rows", "columns"), [(4, 30), (30, 4), (7, 7)])
def test_singular_values_come_near_one_and_directions_stay(rows, columns):
    given, factor = matrix(rows, columns, [8.0, 1.0, 0.4, 0.1])
    found = orthogonal(given.float()).double()
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    along = left[:, :4].T @ found @ right[:4].T
    assert along.diagonal().min() > 0.6
    assert along.diagonal().max() < 1.25
    assert (along - along.diagonal().diag()).abs().max() < 1e-3
    assert (found - factor).norm() / factor.norm() < 0.35


def test_a_step_is_the_library_s_one():
    """torch.optim.Muon rounds its products to bfloat16."""
    torch.manual_seed(0)
    mine, theirs = (nn.Parameter(torch.ones(6, 20)) for _ in range(2))
    own = Muon([mine], lr=0.1, weight_decay=0.5)
    library = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.5, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        mine.grad = torch.randn(6, 20)
        theirs.grad = mine.grad.clone()
        own.step()
        library.step()
    moved = (theirs - 1).norm()
    assert (mine - theirs).norm() < 0.03 * moved
    assert moved > 0.5


def test_a_kernel_is_a_matrix_to_its_outputs():
    kernel, flat = nn.Parameter(torch.zeros(6, 3, 2, 2)), nn.Parameter(torch.zeros(6, 12))
    kernel.grad = torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    flat.grad = kernel.grad.reshape(6, 12).clone()
    Muon([kernel, flat], lr=0.1).step()
    assert torch.equal(kernel.detach().reshape(6, 12), flat.detach())
    assert flat.abs().min() > 0


def test_vectors_and_what_a_group_leaves_to_it_are_trained_by_adam():
    torch.manual_seed(0)
    mine = [nn.Parameter(torch.randn(1, 5, 2)), nn.Parameter(torch.randn(3, 4))]  # a single row is a vector
    theirs = [nn.Parameter(p.detach().clone()) for p in mine]
    groups = [{"params": mine[:1], "lr": 0.3}, {"params": mine[1:], "by_adam": True}]
    own = Muon(groups, lr=0.1, betas=(0.8, 0.9), weight_decay=0.2)
    vectors = {"params": theirs[:1], "lr": 0.3, "weight_decay": 0.0}  # the decay is that of matrices
    library = torch.optim.AdamW([vectors, {"params": theirs[1:]}], lr=0.1, betas=(0.8, 0.9), weight_decay=0.2)
    for _ in range(6):
        for one, other in zip(mine, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        own.step()
        library.step()
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_without_a_gradient_nothing_moves_or_decays():
    parameter = nn.Parameter(torch.ones(2, 2))
    optimizer = Muon([parameter], lr=0.1, weight_decay=1.0)
    optimizer.step()
    assert torch.equal(parameter, torch.ones(2, 2))
    assert not optimizer.state


def test_a_gradient_of_zeros_moves_nothing_and_decays_what_there_is():
    parameter = nn.Parameter(torch.ones(2, 4))
    optimizer = Muon([parameter], lr=0.1, weight_decay=1.0)
    parameter.grad = torch.zeros(2, 4)
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.full((2, 4), 0.9))
    assert not optimizer.state[parameter]["momentum"].any()
    for matrix_RC in (torch.zeros(2, 4), torch.zeros(4, 2)):
        assert torch.equal(orthogonal(matrix_RC), matrix_RC)


def test_all_steps_are_about_as_long_whatever_the_shape():
    for shape in ((8, 8), (4, 64), (64, 4)):
        parameter = nn.Parameter(torch.zeros(shape))
        parameter.grad = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 1e-4
        Muon([parameter], lr=1.0).step()
        assert parameter.detach().square().mean().sqrt().item() == pytest.approx(RMS, rel=0.2)


def test_it_goes_on_from_its_state():
    def steps(optimizer, parameters, numbers):
        for number in numbers:
            for parameter in parameters:
                parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
            optimizer.step()

    def fresh():
        torch.manual_seed(0)
        parameters = [nn.Parameter(torch.randn(3, 5)), nn.Parameter(torch.randn(3))]
        return parameters, Muon(parameters, lr=0.1)

    whole, optimizer = fresh()
    steps(optimizer, whole, range(6))
    first, optimizer = fresh()
    steps(optimizer, first, range(3))
    last, again = fresh()
    for one, other in zip(last, first, strict=True):
        one.data.copy_(other.data)
    again.load_state_dict(optimizer.state_dict())
    steps(again, last, range(3, 6))
    assert all(torch.equal(one, other) for one, other in zip(whole, last, strict=True))
