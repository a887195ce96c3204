"""The transformer of a branch.

Shape letters: N items, L tokens, D width, H heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-6


class Trunk(nn.Module):
    """Pre-norm blocks without a norm at the end: the head has it.

    Args:
        causal: a token sees itself and those before it.
        bias_kv: one more key and value in each block, learned, that every token sees.
        norm_first: a LayerNorm before the first block.
        drop_path: the share of items for which the last block is left out while training (stochastic depth, Huang et
            al. 2016); it grows linearly from zero in the first block.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        *,
        causal: bool = False,
        bias_kv: bool = False,
        norm_first: bool = False,
        drop_path: float = 0.0,
    ):
        super().__init__()
        if not 0 <= drop_path < 1:
            raise ValueError(f"drop_path={drop_path}; give a share from 0 up to, but not including, 1")
        rates = [drop_path * index / max(1, depth - 1) for index in range(depth)]
        self.norm = nn.LayerNorm(width, eps=_EPS) if norm_first else nn.Identity()
        self.blocks = nn.ModuleList(Block(width, heads, causal, bias_kv, rate) for rate in rates)

    def forward(self, tokens_NLD: Tensor) -> Tensor:
        tokens_NLD = self.norm(tokens_NLD)
        for block in self.blocks:
            tokens_NLD = block(tokens_NLD)
        return tokens_NLD


class Block(nn.Module):
    """Attention and an MLP of four times the width, each added to what went in."""

    def __init__(self, width: int, heads: int, causal: bool, bias_kv: bool, drop_path: float):
        super().__init__()
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attention = Attention(width, heads, causal, bias_kv)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = nn.Sequential()
        self.mlp.add_module("up", _linear(width, 4 * width))
        self.mlp.add_module("gelu", nn.GELU())
        self.mlp.add_module("down", _linear(4 * width, width))

    def forward(self, tokens_NLD: Tensor) -> Tensor:
        tokens_NLD = tokens_NLD + self._dropped(self.attention(self.norm1(tokens_NLD)))
        return tokens_NLD + self._dropped(self.mlp(self.norm2(tokens_NLD)))

    def _dropped(self, change_NLD: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0:
            return change_NLD
        keep = 1 - self.drop_path
        return change_NLD * change_NLD.new_empty(len(change_NLD), 1, 1).bernoulli_(keep) / keep


class Attention(nn.Module):
    """``nn.MultiheadAttention`` over one sequence, with its bias in keys and values where asked for."""

    def __init__(self, width: int, heads: int, causal: bool, bias_kv: bool):
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} is no multiple of heads={heads}")
        assert not (causal and bias_kv)  # is_causal would hide the added key
        self.heads, self.causal = heads, causal
        self.qkv = _linear(width, 3 * width)
        self.out = _linear(width, width)
        self.bias_k = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, 1, width))) if bias_kv else None
        self.bias_v = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, 1, width))) if bias_kv else None

    def forward(self, tokens_NLD: Tensor) -> Tensor:
        query, key, value = self.qkv(tokens_NLD).chunk(3, dim=-1)
        if self.bias_k is not None and self.bias_v is not None:
            key, value = (
                torch.cat([rows, bias.to(rows).expand(len(rows), -1, -1)], dim=1)
                for rows, bias in ((key, self.bias_k), (value, self.bias_v))
            )
        query_NHLD, key_NHLD, value_NHLD = (
            rows.unflatten(-1, (self.heads, -1)).transpose(1, 2) for rows in (query, key, value)
        )
        mixed_NHLD = F.scaled_dot_product_attention(query_NHLD, key_NHLD, value_NHLD, is_causal=self.causal)
        return self.out(mixed_NHLD.transpose(1, 2).flatten(2))


def _linear(input_dim: int, output_dim: int) -> nn.Linear:
    layer = nn.Linear(input_dim, output_dim)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
