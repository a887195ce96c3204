"""Muon for the matrices of a network, AdamW for the rest, as one optimizer.

Muon steps along the momentum with all its singular values brought near one (Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon), so that directions which gradients seldom name are learned too. The kernel
of a convolution is a matrix from all that it reads to its outputs.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

BETAS, WEIGHT_DECAY, MOMENTUM = (0.9, 0.98), 0.01, 0.95


class Muon:
    """What is used of ``torch.optim.Optimizer``. Steps are as long as AdamW's at the same learning rate.

    Args:
        named: the parameters by name, on their device and contiguous.
        ends: words in the names of a network's first and last layers, which AdamW trains whatever their shape.
    """

    def __init__(self, named: Mapping[str, nn.Parameter], learning_rate: float, ends: tuple[str, ...] = ()):
        is_matrix = {name: p.ndim > 1 and not any(end in name for end in ends) for name, p in named.items()}
        rest = [p for name, p in named.items() if not is_matrix[name]]
        self.kernels = [p for name, p in named.items() if is_matrix[name]]
        self.matrices = [nn.Parameter(p.detach().view(len(p), -1)) for p in self.kernels]  # the same memory
        self.muon = torch.optim.Muon(
            self.matrices, learning_rate, WEIGHT_DECAY, MOMENTUM, adjust_lr_fn="match_rms_adamw"
        )
        self.adamw = torch.optim.AdamW(rest, learning_rate, BETAS, weight_decay=WEIGHT_DECAY)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [*self.muon.param_groups, *self.adamw.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self.kernels:
            parameter.grad = None
        self.adamw.zero_grad(set_to_none)

    def step(self) -> None:
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.reshape(matrix.shape)
        self.muon.step()
        self.adamw.step()

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])
