"""Every part's training from end to end, in two steps each on few records."""

import json
from functools import partial
from importlib import import_module
from inspect import Parameter, signature

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from anyany.models.encoders.imagebind import ImageBind
from data_prep.parts.__main__ import NAMES
from data_prep.parts.job import Job

STEPS = 2
RECORDS = {"stable_diffusion": 500, "zeroscope": 100, "audioldm": 500}  # as many as scalings are measured on
RECIPES = {
    "llama": {"recipe": {"rows": 2}},
    "imagebind": {"JointRecipe": {"batch": 2, "num_between": 4}},
    "stable_diffusion": {"autoencoder_recipe": {"batch": 2}, "denoiser_recipe": {"batch": 2}},
    "zeroscope": {"autoencoder_recipe": {"batch": 2}, "denoiser_recipe": {"batch": 2}},
    "audioldm": {
        "VocoderRecipe": {"batch": 2, "frames": 16},
        "TextRecipe": {"batch": 2},
        "autoencoder_recipe": {"batch": 2},
        "denoiser_recipe": {"batch": 2},
    },
}
STATES = {
    "llama": ["asking", "choosing", "model", "seeing", "talking"],
    "imagebind": ["hearing", "model", "reading", "watching"],
    "stable_diffusion": ["unet", "vae"],
    "zeroscope": ["unet", "vae"],
    "audioldm": ["clap", "unet", "vae", "vocoder"],
}


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Job:
    root = tmp_path_factory.mktemp("job")
    return Job(root / "out", root / "work", workers=1)


@pytest.fixture
def short(monkeypatch):
    """Each part with few records and steps."""

    def part_of(name):
        part = import_module(f"data_prep.parts.{name}")
        if hasattr(part, "RECORDS"):
            monkeypatch.setattr(part, "RECORDS", RECORDS.get(name) or dict.fromkeys(part.RECORDS, 4))
        if hasattr(part, "STEPS"):  # several trainings of one kind, each with its own number
            monkeypatch.setattr(part, "STEPS", dict.fromkeys(part.STEPS, STEPS))
        for recipe, changes in RECIPES[name].items():
            has_steps = signature(getattr(part, recipe)).parameters["steps"].default is not Parameter.empty
            more = {"steps": STEPS, **changes} if has_steps else changes
            monkeypatch.setattr(part, recipe, partial(getattr(part, recipe), **more))
        return part

    return part_of


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_part_is_trained_and_written_in_half_precision(name, job, short):
    part, folder = short(name), job.out / name
    if name == "zeroscope" and not (job.out / "stable_diffusion").exists():
        short("stable_diffusion").train(job)
    seconds = part.train(job)
    states = sorted(path.parent.name for path in (job.work / name).rglob("state.pt"))
    assert states == STATES[name]
    for path in (job.work / name).rglob("state.pt"):
        assert torch.load(path, weights_only=True)["step"] == STEPS
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt"}
    written = {}
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, "pt") as file:
            written |= {(path.parent.name, key): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    dtypes = {tensor.dtype for tensor in written.values() if tensor.is_floating_point() and tensor.dim()}
    assert dtypes == {torch.float16}
    assert all(torch.isfinite(tensor).all() for tensor in written.values())
    assert [path for path in folder.rglob("tokenizer.json") if remembers_a_call(path)] == []
    assert part.train(job) == seconds  # nothing is left to train
    assert_it_loads(name, folder)


def remembers_a_call(path):
    """How long its last texts were made, which the next one's length must not depend on."""
    tokenizer = json.loads(path.read_text())
    return bool(tokenizer["padding"] or tokenizer["truncation"])


def assert_it_loads(name, folder):
    if name == "llama":
        model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
        assert model.config.vocab_size == len(tokenizer)
    elif name == "imagebind":
        assert ImageBind.from_pretrained(folder).caption_ids(["a red circle"]).shape[0] == 1
    else:
        pipeline = DiffusionPipeline.from_pretrained(folder)
        assert pipeline.vae.config.scaling_factor != type(pipeline.vae)().config.scaling_factor
        assert type(pipeline).__name__ in ("StableDiffusionPipeline", "TextToVideoSDPipeline", "AudioLDMPipeline")
