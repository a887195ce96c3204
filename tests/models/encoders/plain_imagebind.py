"""ImageBind once more: under the published names, step by step, on torch's own attention; and small ones to try.

Shape letters: N items, L tokens, D width, J joint space.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anyany.models.encoders.imagebind import ImageBind

# Widths, patches and depths all differ, so that no two can be mistaken for each other.
SMALL = {
    "joint_dim": 10,
    "vision": {"width": 16, "depth": 2, "heads": 2, "image_px": 8, "frames": 2, "kernel": (2, 4, 4)},
    "audio": {"width": 24, "depth": 3, "heads": 4, "num_mels": 16, "num_frames": 30, "kernel": 8, "stride": 5},
    "text": {"width": 20, "depth": 2, "heads": 5, "vocab_size": 12, "num_positions": 7},
    "depth": {"width": 12, "depth": 1, "heads": 3, "image_px": 8, "kernel": 4},
    "thermal": {"width": 8, "depth": 1, "heads": 2, "image_px": 6, "kernel": 2},
    "imu": {"width": 18, "depth": 2, "heads": 3, "num_axes": 6, "num_samples": 24, "kernel": 8},
    "clip_s": 0.2,
}
VALUES = {  # shapes of two items each
    "image": (2, 3, 8, 8),
    "video": (2, 1, 2, 3, 8, 8),
    "audio": (2, 1, 1, 16, 30),
    "depth": (2, 1, 8, 8),
    "thermal": (2, 1, 6, 6),
    "imu": (2, 6, 24),
}


def small(**changes) -> ImageBind:
    """One whose every weight matters: no bias is zero, no norm is plain."""
    torch.manual_seed(0)
    model = ImageBind(**(SMALL | changes)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name != "text.log_scale":
                weight.add_(torch.randn_like(weight) * 0.2)
    return model


def small_values(modality: str) -> Tensor:
    if modality == "text":  # 11 ends a text; what follows it does not count
        return torch.tensor([[9, 3, 4, 11, 0, 0, 0], [9, 11, 5, 5, 5, 5, 5]])
    return torch.randn(VALUES[modality], generator=torch.Generator().manual_seed(1))


def plain_embed(state: dict[str, Tensor], branch: str, values: Tensor, heads: int, stride: int) -> Tensor:
    """``[N, J]`` from weights under the published names; vision takes ``[N, 3, frames, H, W]``."""
    trunk = below(state, f"modality_trunks.{branch}.")
    tokens = plain_tokens(below(state, f"modality_preprocessors.{branch}."), values, stride)
    if branch == "vision":
        tokens = norm(below(trunk, "pre_transformer_layer.0."), tokens, 1e-6)
    for index in range(sum(name.endswith("norm_1.weight") for name in trunk)):
        block = below(trunk, f"blocks.{index}.")
        tokens = tokens + attention(
            below(block, "attn."), norm(below(block, "norm_1."), tokens, 1e-6), heads, branch == "text"
        )
        up, down = below(block, "mlp.fc1."), below(block, "mlp.fc2.")
        inner = F.gelu(norm(below(block, "norm_2."), tokens, 1e-6) @ up["weight"].T + up["bias"])
        tokens = tokens + inner @ down["weight"].T + down["bias"]
    ends = values.argmax(-1).tolist() if branch == "text" else [0] * len(values)
    first = torch.stack([rows[end] for rows, end in zip(tokens, ends, strict=True)])
    head = below(state, f"modality_heads.{branch}.proj." if branch == "text" else f"modality_heads.{branch}.")
    (last,) = head.keys() - {"0.weight", "0.bias"}
    joint = norm(below(head, "0."), first, 1e-6) @ head[last].T
    unit = joint / joint.square().sum(-1, keepdim=True).sqrt()
    log_scale = state.get(f"modality_postprocessors.{branch}.1.log_logit_scale", torch.tensor(0.0))
    return unit * log_scale.exp().clamp(max=100)


def plain_tokens(state: dict[str, Tensor], values: Tensor, stride: int) -> Tensor:
    """``[N, L, D]`` with places."""
    (places,) = (tensor for name, tensor in state.items() if name.endswith("pos_embed"))
    if "token_embedding.weight" in state:
        return state["token_embedding.weight"][values] + places[:, : values.shape[1]]
    ((name, weight),) = ((name, tensor) for name, tensor in state.items() if "_stem.proj" in name)
    tokens = torch.stack([patch @ weight.flatten(1).T for patch in patches(values, weight, stride)], dim=1)
    stem = below(state, name.partition(".proj")[0] + ".norm_layer.")
    tokens = norm(stem, tokens, 1e-5) if stem else tokens
    return torch.cat([state["cls_token"].expand(len(values), -1, -1), tokens], dim=1) + places


def patches(values: Tensor, weight: Tensor, stride: int) -> list[Tensor]:
    """Each patch of all items, flat, row by row."""
    if values.dim() == 3:  # motion: all axes of a stretch
        size = weight.shape[1] // values.shape[1]
        return [values[..., at : at + size].flatten(1) for at in range(0, values.shape[-1], size)]
    size = weight.shape[-1]
    tops, lefts = (range(0, length - size + 1, stride) for length in values.shape[-2:])
    return [values[..., top : top + size, left : left + size].flatten(1) for top in tops for left in lefts]


def attention(state: dict[str, Tensor], tokens: Tensor, heads: int, causal: bool) -> Tensor:
    layer = nn.MultiheadAttention(tokens.shape[-1], heads, add_bias_kv="bias_k" in state, batch_first=True)
    layer.load_state_dict(state)
    hidden = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1) if causal else None
    return layer(tokens, tokens, tokens, attn_mask=hidden, need_weights=False)[0]


def norm(state: dict[str, Tensor], tokens: Tensor, eps: float) -> Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:], state["weight"], state["bias"], eps)


def below(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
