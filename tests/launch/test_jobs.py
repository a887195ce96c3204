"""Sweeps: each job in a process of its own, with nothing of the sweep or of another job in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anyany.launch import jobs
from anyany.launch.errors import ConfigError

TOY = Path(__file__).parent / "toy" / "toy.py"
ROOT = Path(__file__).parents[2]


def run_toy(folder, *arguments, **environment):
    env = {**jobs.clean_environment(os.environ), "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, str(TOY), *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)


def seen_by(folder):
    return json.loads((folder / "seen.json").read_text())


def test_two_jobs_are_two_clean_processes(tmp_path):
    done = run_toy(tmp_path, "-m", "run=sweep one", "size=1,2", "text='a=b, (c)'", "hydra.verbose=true")
    assert done.returncode == 0, done.stderr
    first, second = (seen_by(tmp_path / "sweep one" / str(num)) for num in range(2))
    assert first["pid"] != second["pid"]
    assert [first["run"], second["run"]] == ["sweep one/0", "sweep one/1"]
    for num, seen in enumerate((first, second)):
        assert seen["leaks"] == []
        assert seen["text"] == "a=b, (c)"
        assert f"size={num + 1}" in seen["arguments"]
        assert "hydra.verbose=true" in seen["arguments"]
        assert not {"-m", "--multirun", "size=1,2"} & set(seen["arguments"])
        assert jobs.read_objective(tmp_path / "sweep one" / str(num)) == num + 1


def test_a_sweep_named_in_the_config_does_not_start_again_in_its_jobs(tmp_path):
    done = run_toy(tmp_path, "--config-name=toy_sweep", "run=s")
    assert done.returncode == 0, done.stderr
    assert sorted(path.parent.name for path in tmp_path.rglob("seen.json")) == ["0", "1"]
    assert jobs.read_objective(tmp_path / "s" / "1") == 5


def test_a_failing_job_fails_the_sweep_after_the_others_ran(tmp_path):
    done = run_toy(tmp_path, "-m", "run=s", "size=-1,2")
    assert done.returncode != 0
    assert "job 0 of the sweep ended with exit code 3" in done.stderr
    assert jobs.read_objective(tmp_path / "s" / "0") is None
    assert jobs.read_objective(tmp_path / "s" / "1") == 2


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["-m", "size=1,2"], {"WORLD_SIZE": "2", "RANK": "0"}, "start it with python, not with torchrun"),
        (["size=1"], {"WORLD_SIZE": "2", "RANK": "1"}, "give run=<name>"),
    ],
)
def test_refuses_what_torchrun_would_spoil(tmp_path, arguments, environment, message):
    done = run_toy(tmp_path, *arguments, **environment)
    assert done.returncode != 0
    assert message in done.stderr
    assert not list(tmp_path.rglob("seen.json"))


def test_ranks_that_lightning_started_take_the_name_of_the_run(tmp_path):
    done = run_toy(tmp_path, WORLD_SIZE="2", LOCAL_RANK="1", ANYANY_RUN="first")
    assert done.returncode == 0, done.stderr
    assert seen_by(tmp_path / "first")["run"] == "first"
    assert jobs.read_objective(tmp_path / "first") is None  # only rank 0 leaves it


def test_clean_environment_keeps_the_rest():
    environment = {"PATH": "/bin", "WANDB_MODE": "offline", "RANK": "1", "TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "y"}
    assert jobs.clean_environment(environment) == {"PATH": "/bin", "WANDB_MODE": "offline"}


@pytest.mark.parametrize(
    ("objective", "val_every", "faults"),
    [
        (None, None, []),
        ("train/text", None, []),
        ("train/text", 5, []),
        ("val/text", 5, []),
        ("val/text", None, ["objective=val/text: nothing is validated; set stage.val_every"]),
        ("val/txt", 5, ["objective=val/txt: no such metric; did you mean val/text?"]),
        ("text", 5, ["objective=text: no such metric; did you mean val/text?"]),
        ("trian/text", None, ["objective=trian/text: no such metric; did you mean train/text?"]),
        ("accuracy", 5, ["objective=accuracy: no such metric; there is train/text, val/text"]),
    ],
)
def test_an_objective_is_one_of_the_metrics_that_the_run_gives(objective, val_every, faults):
    rows = {"image": {"output_projector": "transformer"}, "audio": {"output_projector": None}}
    stage = {"val_every": val_every, "writes": False}
    assert list(jobs.objective_faults({"objective": objective, "stage": stage, "rows": rows})) == faults


def test_what_a_stage_writes_can_be_an_objective():
    rows = {"image": {"output_projector": "transformer"}, "audio": {"output_projector": None}}
    config = {"objective": "train/audio/align", "stage": {"val_every": 5, "writes": True}, "rows": rows}
    assert list(jobs.objective_faults(config | {"objective": "val/image/align"})) == []
    (fault,) = jobs.objective_faults(config)
    assert fault.startswith("train/audio/align".join(("objective=", ": no such metric")))


def test_no_objective_leaves_nothing(tmp_path):
    assert jobs.write_objective({"val/text": 1.0}, None, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_an_objective_that_a_run_did_not_give_is_told(tmp_path):
    with pytest.raises(ConfigError, match="objective=val/text: the run gave none; it gave step, train/text"):
        jobs.write_objective({"train/text": 1.0, "step": 3.0}, "val/text", tmp_path)
    with pytest.raises(ConfigError, match="objective=val/text: the run gave none; it gave nothing"):
        jobs.write_objective({}, "val/text", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_complete_keeps_its_objective(tmp_path):
    jobs.write_objective({"val/text": 1.5}, "val/text", tmp_path)
    assert jobs.write_objective({}, "val/text", tmp_path) == 1.5
    with pytest.raises(ConfigError, match="objective=train/text: the run gave none"):
        jobs.write_objective({}, "train/text", tmp_path)


@pytest.mark.parametrize("rank", ["RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID"])
def test_only_rank_0_is_first(rank):
    assert jobs.is_first_rank({})
    assert jobs.is_first_rank({rank: "0"})
    assert not jobs.is_first_rank({rank: "1"})
