import pytest
import torch
import torch.nn.functional as F
from torch import nn

from data_prep.parts.muon import BETAS, MOMENTUM, WEIGHT_DECAY, Muon

RATE = 0.01


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.ModuleDict({"into": nn.Conv2d(2, 6, 3), "norm": nn.GroupNorm(2, 6), "deep": nn.Conv2d(6, 8, 3)})


def loss_of(network, step):
    x = torch.randn(4, 2, 9, 9, generator=torch.Generator().manual_seed(step))
    return network["deep"](F.silu(network["norm"](network["into"](x)))).square().mean()


def trained(network, optimizer, steps):
    for step in range(steps):
        optimizer.zero_grad()
        loss_of(network, step).backward()
        optimizer.step()


def test_a_kernel_moves_along_the_polar_factor_of_its_gradient(network):
    kernel = network["deep"].weight
    before, place = kernel.detach().clone(), kernel.data_ptr()
    optimizer = Muon(dict(network.named_parameters()), RATE)
    loss_of(network, 0).backward()
    left, _, right = torch.linalg.svd(kernel.grad.flatten(1).double(), full_matrices=False)  # [8, 54]
    optimizer.step()
    assert kernel.data_ptr() == place
    moved = (before * (1 - RATE * WEIGHT_DECAY) - kernel.detach()).flatten(1).double() / RATE
    # As long as a step of AdamW, by 0.2 in the root mean square, were all singular values just one.
    along = left.T @ moved @ right.T / (0.2 * 54**0.5)
    assert along.diagonal().min() > 0.6  # five iterations bring them to between 0.68 and 1.14
    assert along.diagonal().max() < 1.25
    assert (along - along.diagonal().diag()).abs().max() < 0.05
    assert moved.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)


def test_vectors_and_ends_are_trained_by_adamw(network):
    torch.manual_seed(0)
    plain = nn.ModuleDict({"into": nn.Conv2d(2, 6, 3), "norm": nn.GroupNorm(2, 6), "deep": nn.Conv2d(6, 8, 3)})
    trained(network, Muon(dict(network.named_parameters()), RATE, ends=("into",)), 1)
    trained(plain, torch.optim.AdamW(plain.parameters(), RATE, BETAS, weight_decay=WEIGHT_DECAY), 1)
    same = {name: torch.equal(p, plain.get_parameter(name)) for name, p in network.named_parameters()}
    assert same == {name: name != "deep.weight" for name in same}
    assert len(same) == 6


def test_a_learning_rate_set_from_outside_holds_for_both(network):
    optimizer = Muon(dict(network.named_parameters()), RATE)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    trained(network, optimizer, 2)
    assert all(torch.equal(p, before[name]) for name, p in network.named_parameters())
    assert len(optimizer.param_groups) == 2


def test_momentum_is_that_of_the_flattened_kernel(network):
    """Against the library's own optimizer on a matrix kept by hand."""
    kernel = network["deep"].weight
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    by_hand = torch.optim.Muon([matrix], RATE, WEIGHT_DECAY, MOMENTUM, adjust_lr_fn="match_rms_adamw")
    optimizer = Muon(dict(network.named_parameters()), RATE)
    for step in range(4):
        optimizer.zero_grad()
        loss_of(network, step).backward()
        matrix.grad = kernel.grad.flatten(1).clone()
        optimizer.step()
        by_hand.step()
        assert torch.equal(kernel.detach().flatten(1), matrix.detach())
