"""Each stage by two processes, as one process trains it: gloo on the CPU, by DDP and by FSDP2."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anyany.deltas import read_delta
from anyany.microworld.scenes import SCENES
from anyany.runs import STAGES
from tests.launch.test_experiment import world  # noqa: F401

ROOT = Path(__file__).parents[2]
STEPS = 4
TIMEOUT_S = 300  # a rank that waits for another would wait for half an hour
QUIET = [
    "data.global_batch=4", "data.num_workers=0", "stage.val_every=null", "+trainer.enable_progress_bar=false",
    "+trainer.log_every_n_steps=1",
]  # fmt: skip
SMALL = [
    *QUIET, "experiment=from_scratch", "llm.hidden_size=32", "rows.image.decoder=stable_diffusion",
    "rows.image.output_projector=transformer",
]  # fmt: skip
FROZEN = [
    *QUIET, "llm.lora_rank=0", "data.max_tokens=128", "~rows.video", "~rows.audio", "source=[microworld_image]"
]  # fmt: skip


def train(world, outputs, run, stage, *words, steps=STEPS, base=SMALL):  # noqa: F811
    paths = [f"paths.data={world}", f"paths.outputs={outputs}", f"paths.cache={outputs}/cache"]
    given = [*base, *paths, f"run={run}", f"stage={stage}", f"stage.max_steps={steps}", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ROOT / "train.py", *given]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr[-3000:]
    return outputs / "default" / run


def losses(run, stage):
    """Of every term and step, over all starts."""
    found = {}
    for path in sorted((run / stage / "metrics").glob("version_*/metrics.csv")):
        with open(path) as file:
            found |= {(row["step"], name): float(v) for row in csv.DictReader(file) for name, v in row.items() if v}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_two_processes_train_as_one(world, tmp_path, stage, trainer, record_property):  # noqa: F811
    one = train(world, tmp_path, "one", stage)
    two = train(world, tmp_path, "two", stage, f"trainer={trainer}")
    wanted = losses(one, stage)
    record_property("found", f"{len(wanted)} losses of {stage} by {trainer}")
    assert len(wanted) >= 2 * STEPS
    assert losses(two, stage) == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    deltas = [read_delta(run / "deltas" / stage).tensors for run in (one, two)]
    assert deltas[0].keys() == deltas[1].keys()
    for name, tensor in deltas[0].items():
        # Where a gradient is all but nothing, Adam makes a whole step of its rounding.
        assert (deltas[1][name] - tensor).abs().mean() < 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_two_processes_train_beside_a_frozen_llm_as_one(world, tmp_path, trainer, optimizer):  # noqa: F811
    """Whose states before the first signal have no graph; of Muon every rank needs whole matrices."""
    one = train(world, tmp_path, "one", "dec_align", f"optimizer={optimizer}", base=FROZEN)
    two = train(world, tmp_path, "two", "dec_align", f"trainer={trainer}", f"optimizer={optimizer}", base=FROZEN)
    assert len(wanted := losses(one, "dec_align")) >= 2 * STEPS
    assert losses(two, "dec_align") == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    deltas = [read_delta(run / "deltas" / "dec_align").tensors for run in (one, two)]
    assert any("added" in name for name in deltas[0])
    for name, tensor in deltas[0].items():
        assert (deltas[1][name] - tensor).abs().mean() < 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_two_processes_instruct_the_model_that_ships_as_one(world, tmp_path, trainer):  # noqa: F811
    """With low-rank changes of a frozen LLM, a second pass through it as it was, Muon and, by Adam, all else."""
    one = train(world, tmp_path, "one", "instruct", base=QUIET)
    two = train(world, tmp_path, "two", "instruct", f"trainer={trainer}", base=QUIET)
    wanted = losses(one, "instruct")
    assert {name for _, name in wanted} >= {"train/text", "train/keep", *(f"train/{m}/align" for m in SCENES)}
    assert losses(two, "instruct") == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    deltas = [read_delta(run / "deltas" / "instruct").tensors for run in (one, two)]
    assert any("lora" in name for name in deltas[0])
    for name, tensor in deltas[0].items():
        assert (deltas[1][name] - tensor).abs().mean() < 1e-5, name


@pytest.mark.slow
def test_a_run_that_was_shared_out_goes_on_shared_out_or_alone(world, tmp_path):  # noqa: F811
    stage, wanted = "dec_align", losses(train(world, tmp_path, "one", "dec_align", steps=6), "dec_align")
    train(world, tmp_path, "two", stage, "trainer=fsdp", steps=2)
    train(world, tmp_path, "two", stage, "trainer=fsdp", "resume=true", steps=4)
    two = train(world, tmp_path, "two", stage, "resume=true", steps=6)
    assert {key: value for key, value in losses(two, stage).items() if key[1] != "epoch"} == pytest.approx(
        {key: value for key, value in wanted.items() if key[1] != "epoch"}, rel=1e-5, abs=1e-5
    )
    assert torch.isfinite(next(iter(read_delta(two / "deltas" / stage).tensors.values()))).all()
