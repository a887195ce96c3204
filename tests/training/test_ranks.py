"""Each stage by two processes, as one process trains it: gloo on the CPU, by DDP and by FSDP2."""

import csv
import os
import subprocess
import sys
from functools import cache
from itertools import count
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
QUIET = (
    "data.global_batch=4", "data.num_workers=0", "stage.val_every=null", "+trainer.enable_progress_bar=false",
    "+trainer.log_every_n_steps=1",
)  # fmt: skip
SMALL = (
    *QUIET, "experiment=from_scratch", "llm.hidden_size=32", "rows.image.decoder=stable_diffusion",
    "rows.image.output_projector=transformer",
)  # fmt: skip
FROZEN = (
    *QUIET, "llm.lora_rank=0", "data.max_tokens=128", "~rows.video", "~rows.audio", "source=[microworld_image]"
)  # fmt: skip
SHARED = {"ddp": "trainer=ddp", "fsdp": "trainer=fsdp", "two micro-batches": "data.num_micro=2"}
ALIGNS = {f"train/{modality}/align" for modality in SCENES}


def train(world, outputs, run, stage, *words, steps=STEPS, base=SMALL):  # noqa: F811
    paths = [f"paths.data={world}", f"paths.outputs={outputs}", f"paths.cache={outputs}/cache"]
    given = [*base, *paths, f"run={run}", f"stage={stage}", f"stage.max_steps={steps}", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ROOT / "train.py", *given]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr[-3000:]
    return outputs / "default" / run


@pytest.fixture(scope="module")
def alone(world, tmp_path_factory):  # noqa: F811
    """Of a stage and a base, the run of one process with one micro-batch a step; each is trained once."""
    outputs, numbers = tmp_path_factory.mktemp("alone"), count()

    @cache
    def trained(stage, base, *words):
        return train(world, outputs, f"run-{next(numbers)}", stage, *words, base=base)

    return trained


def losses(run, stage):
    """Of every term and step, over all starts."""
    found = {}
    for path in sorted((run / stage / "metrics").glob("version_*/metrics.csv")):
        with open(path) as file:
            found |= {(row["step"], name): float(v) for row in csv.DictReader(file) for name, v in row.items() if v}
    return found


def assert_same(one, two, stage, terms):
    """The same losses of these terms at every step, and the same changes."""
    wanted = losses(one, stage)
    assert {name for _, name in wanted} >= terms
    assert len({step for step, name in wanted if name in terms}) == STEPS
    assert losses(two, stage) == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    deltas = [read_delta(run / "deltas" / stage).tensors for run in (one, two)]
    assert deltas[0].keys() == deltas[1].keys()
    for name, tensor in deltas[0].items():
        # Where a gradient is all but nothing, Adam makes a whole step of its rounding.
        assert (deltas[1][name] - tensor).abs().mean() < 1e-5, name
    return deltas[0].keys()


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_two_processes_train_as_one(world, tmp_path, alone, stage, trainer):  # noqa: F811
    two = train(world, tmp_path, "two", stage, SHARED[trainer])
    terms = {"enc_align": {"train/text"}, "dec_align": {"train/image/align"}}
    assert_same(alone(stage, SMALL), two, stage, terms.get(stage, {"train/text", "train/image/align"}))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_two_processes_train_beside_a_frozen_llm_as_one(world, tmp_path, alone, trainer, optimizer):  # noqa: F811
    """Whose states before the first signal have no graph; of Muon every rank needs whole matrices."""
    words = "dec_align", f"optimizer={optimizer}"
    two = train(world, tmp_path, "two", *words, SHARED[trainer], base=FROZEN)
    names = assert_same(alone(words[0], FROZEN, words[1]), two, "dec_align", {"train/image/align"})
    assert any("added" in name for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["enc_align", "instruct"])
@pytest.mark.parametrize("shared", SHARED)
def test_the_model_that_ships_is_trained_in_shares_as_in_one(world, tmp_path, alone, shared, stage):  # noqa: F811
    """``enc_align`` with noise on kept features. ``instruct`` with low-rank changes of a frozen LLM, a second pass
    through it as it was, Muon and, by Adam, all else."""
    two = train(world, tmp_path, "two", stage, SHARED[shared], base=QUIET)
    terms = {"train/text"} if stage == "enc_align" else {"train/text", "train/keep", *ALIGNS}
    names = assert_same(alone(stage, QUIET), two, stage, terms)
    assert any("lora" in name for name in names) == (stage == "instruct")


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
