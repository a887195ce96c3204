"""What training changed, and what it was trained against: ``delta.safetensors`` with a ``manifest.json``.

A delta holds everything that this stage and those before it trained, also of sides that this stage did without. It fits
a model whose frozen parts have the same digests and whose new tokens have the same ids, or it is refused.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from anyany.faults import UserError
from anyany.files import whole

TENSORS, MANIFEST = "delta.safetensors", "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """``parts``: digests of the frozen parts by name. ``tokens``: ids of the tokens that were added to the LLM's."""

    stage: str
    step: int
    parts: dict[str, str]
    tokens: dict[str, int]
    shapes: dict[str, list[int]]
    after: str | None = None  # the stage whose delta this one began from


@dataclass(frozen=True)
class Delta:
    folder: Path
    manifest: Manifest
    tensors: dict[str, Tensor]


def write_delta(
    folder: Path, stage: str, step: int, tensors: Mapping[str, Tensor], parts: Mapping[str, str],
    tokens: Mapping[str, int], after: str | None = None,
) -> None:  # fmt: skip
    """Appears whole or not at all, in the place of an earlier one."""
    from safetensors.torch import save_file

    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    shapes = {name: list(tensor.shape) for name, tensor in held.items()}
    manifest = Manifest(stage, step, dict(parts), dict(tokens), shapes, after)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole(folder) as temporary:
        temporary.mkdir()
        save_file(held, temporary / TENSORS)
        (temporary / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        if folder.exists():
            shutil.rmtree(folder)


def read_delta(folder: Path) -> Delta:
    """
    Raises:
        UserError: where there is none, or tensors and manifest do not belong together.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not (folder / MANIFEST).is_file():
        raise UserError(f"{folder} holds no {MANIFEST}; expected a delta that a stage of train.py wrote")
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
        tensors = load_file(folder / TENSORS)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise UserError(f"{folder} cannot be read ({error}); train the stage anew") from error
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if shapes != manifest.shapes:
        apart = sorted(
            name for name in shapes.keys() | manifest.shapes.keys() if shapes.get(name) != manifest.shapes.get(name)
        )
        raise UserError(f"{folder}: {TENSORS} is not what {MANIFEST} lists ({', '.join(apart)}); train the stage anew")
    return Delta(folder, manifest, tensors)


@torch.no_grad()
def apply_delta(
    model: nn.Module, delta: Delta, parts: Mapping[str, str], tokens: Mapping[str, int]
) -> dict[str, Tensor]:
    """Puts a delta's tensors into a model; gives back those of sides that the model was built without.

    Args:
        parts, tokens: as in the manifest, of the model at hand.

    Raises:
        UserError: with all that does not fit: frozen parts, token ids, names and shapes.
    """
    named = dict(model.named_parameters())
    present = {name.partition(".")[0] for name in named}
    mine = {name: tensor for name, tensor in delta.tensors.items() if name.partition(".")[0] in present}
    faults = [
        *_part_faults(delta.manifest.parts, parts),
        *_token_faults(delta.manifest.tokens, tokens),
        *(f"{name} is left over: the model has no such parameter" for name in mine if name not in named),
        *(
            f"{name} has the shape {list(tensor.shape)}, the model's is {list(named[name].shape)}"
            for name, tensor in mine.items()
            if name in named and tensor.shape != named[name].shape
        ),
    ]
    if faults:
        raise UserError(
            f"{delta.folder} does not fit this model: {'; '.join(faults)}; choose the parts it was made with"
        )
    for name, tensor in mine.items():
        named[name].copy_(tensor)
    return {name: tensor for name, tensor in delta.tensors.items() if name not in mine}


def _part_faults(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Of parts that stand in both; one that a stage did without is in neither's way."""
    return [
        f"{name} has other weights now (digest {now[name][:8]}, then {then[name][:8]})"
        for name in sorted(then.keys() & now.keys())
        if then[name] != now[name]
    ]


def _token_faults(then: Mapping[str, int], now: Mapping[str, int]) -> list[str]:
    return [
        f"token {name} is {now.get(name, 'not there')} now, {then.get(name, 'not there')} then"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
