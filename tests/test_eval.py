"""The way from a command line to an evaluation; what a user does wrong ends in one line."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

import eval as eval_script
from anyany.faults import UserError
from anyany.launch.command_line import composed
from anyany.runs import CONFIG


def start(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [eval_script.__file__, *arguments])
    eval_script.main()


def put(monkeypatch, evaluate):
    monkeypatch.setitem(sys.modules, "anyany.launch.experiment", SimpleNamespace(evaluate=evaluate))


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """The folder of a run with a config, and nothing trained."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "default" / "first_run"
    folder.mkdir(parents=True)
    data = Path(eval_script.__file__).parent / "tests" / "no_such_folder"
    config = composed(["experiment=from_scratch", f"paths.data={data}", f"paths.cache={tmp_path}/cache"])
    OmegaConf.save(OmegaConf.create(config), folder / CONFIG)
    return folder


def test_terms_are_written_into_the_folder_of_the_run(run, monkeypatch):
    calls = []

    def evaluate(config, folder, split):
        calls.append((config["stage"]["name"], folder, split))
        return {"text": 0.5}

    put(monkeypatch, evaluate)
    start(monkeypatch, f"run={run}", "losses=test")
    assert calls == [("enc_align", run, "test")]
    assert json.loads((run / "losses-test.json").read_text()) == {"text": 0.5}
    assert sorted(path.name for path in run.iterdir()) == [CONFIG, "losses-test.json"]


def test_a_run_that_is_not_there_names_the_nearest(run, monkeypatch):
    with pytest.raises(SystemExit, match=r"run in .*default; did you mean first_run\?"):
        start(monkeypatch, f"run={run.parent}/frst_run")


def test_a_folder_without_a_config_is_told(run, monkeypatch):
    with pytest.raises(SystemExit, match=r"default holds no config\.yaml, nor does a stage in it: it is not"):
        start(monkeypatch, f"run={run.parent}")


def test_what_the_evaluation_refuses_is_told_in_its_words_alone(run, monkeypatch):
    def evaluate(*unused):
        raise UserError("no checkpoint yet")

    put(monkeypatch, evaluate)
    with pytest.raises(SystemExit) as end:
        start(monkeypatch, f"run={run}", "losses=val")
    assert end.value.code == "no checkpoint yet"


def test_an_error_of_the_code_keeps_its_traceback(run, monkeypatch):
    def evaluate(*unused):
        raise ValueError("a bug")

    put(monkeypatch, evaluate)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="a bug"):
        start(monkeypatch, f"run={run}", "losses=val")


def test_a_refused_evaluation_prints_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "first_run").mkdir()
    run = tmp_path / "first_run"
    for more, line in {
        (): f"{run} holds no config.yaml, nor does a stage in it: it is not the folder of a run of train.py",
        ("losse=test",): "losse: no such key or group; did you mean losses?",
    }.items():
        command = [sys.executable, eval_script.__file__, f"run={run}", *more]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", line + "\n")
    assert [path.name for path in tmp_path.iterdir()] == ["first_run"]
