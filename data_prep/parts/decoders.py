"""What the recipes of all decoders do alike: begin, save, measure."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from anyany.figures import Figure
from anyany.files import write_whole
from anyany.models.decoders.latent_diffusion import LatentDiffusion
from data_prep.parts.job import Job
from data_prep.parts.measures import NUMBER, drawn
from data_prep.parts.pools import TRAINED_ON
from data_prep.shipped import shipped

D = TypeVar("D", bound=LatentDiffusion)


def begun(kind: type[D], job: Job, name: str, make: Callable[[Path], None]) -> D:
    """The decoder as training begins, from the folder that ``make`` writes once."""
    return loaded(kind, job.start(name, make)).to(job.device)


def loaded(kind: type[D], folder: Path) -> D:
    decoder = kind(folder)
    decoder.load()
    return decoder


def save(decoder: LatentDiffusion, folder: Path, **more: Any) -> None:
    """The pipeline as it ships, in fp16.

    Args:
        more: arguments of the pipeline that are no networks of the decoder.
    """
    networks = {name: getattr(decoder, name).cpu() for name in decoder.networks()}
    backend = decoder.tokenizer.backend_tokenizer  # which would write down how it was called last
    backend.no_padding()
    backend.no_truncation()
    pipeline = decoder.pipeline()(**networks, tokenizer=decoder.tokenizer, scheduler=decoder.scheduler, **more)
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    for path in folder.rglob("config.json"):  # a network remembers the path that it was loaded from
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        if "dtype" in config:  # transformers loads in what stands here, diffusers in fp32: a pipeline needs one of them
            config["dtype"] = "float32"
        write_whole(path, json.dumps(config, indent=2, sort_keys=True) + "\n")


def measured(name: str, folder: Path, levels: Sequence[str] = TRAINED_ON, number: int = NUMBER) -> dict[str, Figure]:
    """The oracle's shares of what a finished decoder draws."""
    return drawn(shipped(name, folder), levels, number)
