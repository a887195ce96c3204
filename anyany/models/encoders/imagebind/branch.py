"""One branch as a module: stem, trunk, head, and the scale of its joint vectors.

Shape letters: N items, L tokens, D width of the trunk, J width of the joint space.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anyany.models.encoders.imagebind.config import BranchConfig
from anyany.models.encoders.imagebind.trunk import Trunk

_MAX_SCALE = 100.0


class Branch(nn.Module):
    """Values of one kind to the joint space.

    The scale is stored as its logarithm, ``log_scale``: a parameter where it is trained, else a buffer.
    """

    log_scale: Tensor | None

    def __init__(self, config: BranchConfig, joint_dim: int, drop_path: float):
        super().__init__()
        self.stem = config.stem()
        self.trunk = Trunk(
            config.width,
            config.depth,
            config.heads,
            causal=config.causal,
            bias_kv=config.bias_kv,
            norm_first=config.norm_first,
            drop_path=drop_path,
        )
        self.head = Head(config.width, joint_dim, config.head_dropout)
        log_scale = None if config.scale is None else torch.tensor(math.log(config.scale))
        if log_scale is not None and config.trains_scale:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)

    def joint(self, values: Tensor) -> Tensor:
        """``[N, J]`` of unit length."""
        tokens_NLD = self.trunk(self.stem(values))
        items_N = torch.arange(len(values), device=values.device)
        return F.normalize(self.head(tokens_NLD[items_N, self.stem.read_at(values)]), dim=-1)

    def patches(self, values: Tensor) -> Tensor:
        """``[N, L - 1, J]``: the head on every token but the cls token, of any length."""
        return self.head(self.trunk(self.stem(values))[:, 1:])

    def num_patches(self) -> int:
        return self.stem.position.shape[1] - 1

    def scaled(self, joint_NJ: Tensor) -> Tensor:
        if self.log_scale is None:
            return joint_NJ
        return joint_NJ * self.log_scale.exp().clamp(max=_MAX_SCALE)


class Head(nn.Module):
    def __init__(self, width: int, joint_dim: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, joint_dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """``[..., D]`` to ``[..., J]``."""
        return self.linear(self.dropout(self.norm(tokens)))
