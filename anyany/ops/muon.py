"""Muon, for matrices, with Adam for all else (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

Where gradients have a few strong directions, as those of a projector do, Adam learns these and little else. Muon steps
along the momentum with all its singular values brought near one. The library's takes nothing but matrices; here
the kernel of a convolution is one too, from all that it reads to its outputs.

Shape letters: R rows, C columns, K the smaller of both.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic that brings singular values of 0 to 1 near 1 soonest
ITERATIONS = 5
RMS = 0.2  # of a step at a learning rate of 1, as Adam's have (Liu et al. 2025, arXiv 2502.16982, section 2.2)


class Muon(Optimizer):
    """
    Args:
        betas: Adam's.
        momentum: Muon's, as Nesterov has it.
        weight_decay: of matrices, whichever of the two trains them; scales of norms and biases are not to be small.

    A group may hold ``by_adam``: whether Adam trains its matrices too. Rows of an embedding are vectors, one by one.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.95),
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ):
        defaults = {"lr": lr, "betas": betas, "momentum": momentum, "weight_decay": weight_decay, "by_adam": False}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    has_rows = parameter.ndim > 1 and parameter.shape[0] > 1
                    if has_rows:
                        parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    change = self._along_muon if has_rows and not group["by_adam"] else self._along_adam
                    parameter.sub_(change(parameter.grad, self.state[parameter], group), alpha=group["lr"])
        return loss

    def _along_muon(self, gradient_RC: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> Tensor:
        if not state:
            state["momentum"] = torch.zeros_like(gradient_RC)
        momentum_RC = state["momentum"]
        momentum_RC.lerp_(gradient_RC, 1 - group["momentum"])
        ahead_RC = gradient_RC.lerp(momentum_RC, group["momentum"])
        matrix_RC = ahead_RC.flatten(1)
        return RMS * max(matrix_RC.shape) ** 0.5 * whole_then_shared(matrix_RC).view_as(ahead_RC)

    def _along_adam(self, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> Tensor:
        """Adam's own (Kingma & Ba 2014, arXiv 1412.6980), the decay beside it (Loshchilov & Hutter 2017)."""
        if not state:
            state |= {
                "steps": torch.zeros(()),
                "mean": torch.zeros_like(gradient),
                "square": torch.zeros_like(gradient),
            }
        steps, mean, square = state["steps"], state["mean"], state["square"]
        steps += 1
        first, second = group["betas"]
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        done = steps.item()
        return (mean / (1 - first**done)) / ((square / (1 - second**done)).sqrt() + 1e-8)


def whole_then_shared(matrix_RC: Tensor) -> Tensor:
    """The orthogonal factor; of a matrix that is shared out over ranks each makes the whole and keeps its part."""
    if not isinstance(matrix_RC, DTensor):
        return orthogonal(matrix_RC)
    whole_RC = orthogonal(matrix_RC.full_tensor())
    return distribute_tensor(whole_RC, matrix_RC.device_mesh, matrix_RC.placements, src_data_rank=None)


def orthogonal(matrix_RC: Tensor) -> Tensor:
    """About U V^T of the matrix U S V^T: five Newton-Schulz steps leave singular values between 0.68 and 1.14."""
    if not matrix_RC.any():  # of a projector that no sample has asked for yet
        return torch.zeros_like(matrix_RC)
    is_tall = matrix_RC.shape[0] > matrix_RC.shape[1]
    wide_KC = matrix_RC.float().mT if is_tall else matrix_RC.float()
    wide_KC = wide_KC / (wide_KC.norm() + 1e-7)
    one, three, five = COEFFICIENTS
    for _ in range(ITERATIONS):
        square_KK = wide_KC @ wide_KC.mT
        gain_KK = torch.addmm(square_KK, square_KK, square_KK, beta=three, alpha=five)
        wide_KC = torch.addmm(wide_KC, gain_KK, wide_KC, beta=one)
    return (wide_KC.mT if is_tall else wide_KC).to(matrix_RC.dtype)
