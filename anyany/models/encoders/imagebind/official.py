"""Names of the published weights (facebookresearch/ImageBind, ``imagebind_huge.pth``) and names here."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

# Names here, and the published ones; {b} is a branch, {i} a block. The first pair that fits counts.
_NAMES = (
    ("{b}.trunk.blocks.{i}.norm1", "modality_trunks.{b}.blocks.{i}.norm_1"),
    ("{b}.trunk.blocks.{i}.norm2", "modality_trunks.{b}.blocks.{i}.norm_2"),
    ("{b}.trunk.blocks.{i}.attention.qkv.weight", "modality_trunks.{b}.blocks.{i}.attn.in_proj_weight"),
    ("{b}.trunk.blocks.{i}.attention.qkv.bias", "modality_trunks.{b}.blocks.{i}.attn.in_proj_bias"),
    ("{b}.trunk.blocks.{i}.attention.out", "modality_trunks.{b}.blocks.{i}.attn.out_proj"),
    ("{b}.trunk.blocks.{i}.attention.bias_k", "modality_trunks.{b}.blocks.{i}.attn.bias_k"),
    ("{b}.trunk.blocks.{i}.attention.bias_v", "modality_trunks.{b}.blocks.{i}.attn.bias_v"),
    ("{b}.trunk.blocks.{i}.mlp.up", "modality_trunks.{b}.blocks.{i}.mlp.fc1"),
    ("{b}.trunk.blocks.{i}.mlp.down", "modality_trunks.{b}.blocks.{i}.mlp.fc2"),
    ("{b}.trunk.norm", "modality_trunks.{b}.pre_transformer_layer.0"),
    ("{b}.log_scale", "modality_postprocessors.{b}.1.log_logit_scale"),
    ("text.head.norm", "modality_heads.text.proj.0"),
    ("text.head.linear", "modality_heads.text.proj.1"),
    ("imu.head.linear", "modality_heads.imu.3"),
    ("{b}.head.norm", "modality_heads.{b}.0"),
    ("{b}.head.linear", "modality_heads.{b}.2"),
    ("text.stem.position", "modality_preprocessors.text.pos_embed"),
    ("text.stem.tokens", "modality_preprocessors.text.token_embedding"),
    ("imu.stem.position", "modality_preprocessors.imu.pos_embed"),
    ("imu.stem.patches", "modality_preprocessors.imu.imu_stem.proj"),
    ("imu.stem.norm", "modality_preprocessors.imu.imu_stem.norm_layer"),
    ("depth.stem.patches", "modality_preprocessors.depth.depth_stem.proj"),
    ("depth.stem.norm", "modality_preprocessors.depth.depth_stem.norm_layer"),
    ("vision.stem.patches", "modality_preprocessors.vision.rgbt_stem.proj.1"),
    ("{b}.stem.patches", "modality_preprocessors.{b}.rgbt_stem.proj"),
    ("{b}.stem.norm", "modality_preprocessors.{b}.rgbt_stem.norm_layer"),
    ("{b}.stem.position", "modality_preprocessors.{b}.pos_embedding_helper.pos_embed"),
    ("{b}.stem.cls", "modality_preprocessors.{b}.cls_token"),
)
_ENDS = r"(?P<end>(\.weight|\.bias)?)"
# The one published entry without a name here: the causal mask of text, a constant.
TEXT_MASK = "modality_preprocessors.text.mask"


def to_official(name: str) -> str:
    """The published name of a weight here.

    Raises:
        ValueError: for a name that has none.
    """
    return _translate(name, _TO_OFFICIAL)


def from_official(name: str) -> str:
    """The name here of a published weight.

    Raises:
        ValueError: for a name that has none; ``TEXT_MASK`` is one.
    """
    return _translate(name, _FROM_OFFICIAL)


def from_official_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published weights under the names here; the tensors are the same.

    Read the file with ``torch.load("imagebind_huge.pth", weights_only=True, mmap=True)``.

    Raises:
        ValueError: for a name that is not a published one, or a mask of text that is not causal.
    """
    mask_TT = state.get(TEXT_MASK)
    if mask_TT is not None and not torch.equal(mask_TT.float(), _causal(len(mask_TT))):
        raise ValueError(f"{TEXT_MASK} is not causal; these are not the weights of an ImageBind")
    return {from_official(name): tensor for name, tensor in state.items() if name != TEXT_MASK}


def to_official_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of ``from_official_state``; makes the causal mask where there is text."""
    official = {to_official(name): tensor for name, tensor in state.items()}
    if (positions := state.get("text.stem.position")) is not None:
        official[TEXT_MASK] = _causal(positions.shape[1])
    return official


def _causal(num_tokens: int) -> Tensor:
    return torch.full((num_tokens, num_tokens), -torch.inf).triu(1)


def _translate(name: str, rules: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, template in rules:
        if found := pattern.fullmatch(name):
            return template.format(**found.groupdict()) + found["end"]
    raise ValueError(f"{name} is no weight of an ImageBind")


def _rules(pairs: tuple[tuple[str, str], ...]) -> list[tuple[re.Pattern[str], str]]:
    def pattern(template: str) -> re.Pattern[str]:
        escaped = re.escape(template).replace(r"\{b\}", r"(?P<b>[a-z]+)").replace(r"\{i\}", r"(?P<i>\d+)")
        return re.compile(escaped + _ENDS)

    return [(pattern(source), target) for source, target in pairs]


_TO_OFFICIAL = _rules(_NAMES)
_FROM_OFFICIAL = _rules(tuple((official, ours) for ours, official in _NAMES))
