"""A folder of weights: ``config.json``, ``model.safetensors`` and, for text, ``tokenizer/tokenizer.json``."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer/tokenizer.json"


def read_config(folder: Path) -> dict[str, Any]:
    """
    Raises:
        FileNotFoundError: where there is none.
    """
    return json.loads(_existing(folder / CONFIG).read_text())


def read_weights(folder: Path, without: Collection[str], dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    """The weights in ``dtype``, but not those whose name begins with one of ``without``: they are not even read."""
    from safetensors import safe_open

    place = "cpu" if device.type == "meta" else str(device)
    with safe_open(_existing(folder / WEIGHTS), framework="pt", device=place) as file:
        names = [name for name in file.keys() if name.partition(".")[0] not in without]  # noqa: SIM118 - no mapping
        return {name: file.get_tensor(name).to(dtype) for name in names}


def read_tokenizer(folder: Path) -> str | None:
    return (folder / TOKENIZER).read_text() if (folder / TOKENIZER).is_file() else None


def write(
    folder: Path, config: Mapping[str, Any], state: Mapping[str, Tensor], dtype: torch.dtype, tokenizer: str | None
) -> None:
    """Makes the folder; what stands in it under these names is overwritten. Scalars keep their dtype."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    tensors = {name: tensor.to(dtype) if tensor.dim() else tensor for name, tensor in state.items()}
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)
    if tokenizer is not None:
        (folder / TOKENIZER).parent.mkdir(exist_ok=True)
        (folder / TOKENIZER).write_text(tokenizer)


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Makes these tensors the module's own; one on the meta device is real afterwards.

    Raises:
        ValueError: with every name that is missing, left over or of another shape.
    """
    wanted = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: list(tensor.shape) for name, tensor in state.items()}
    both = wanted.keys() & found.keys()
    faults = {
        "missing": sorted(wanted.keys() - found.keys()),
        "left over": sorted(found.keys() - wanted.keys()),
        "of another shape": [f"{n} {found[n]}, not {wanted[n]}" for n in sorted(both) if found[n] != wanted[n]],
    }
    if told := [f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names]:
        remedy = f"give the model the numbers of the {CONFIG} that belongs to these weights, or name other weights"
        raise ValueError(f"weights of {where} do not fit ({'; '.join(told)}); {remedy}")
    module.load_state_dict(dict(state), strict=True, assign=True)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; name a folder with {CONFIG} and {WEIGHTS}")
    return path
