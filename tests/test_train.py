"""The way from a command line to training, with training itself replaced."""

import json
import sys
from types import SimpleNamespace

import pytest

import train as train_script


@pytest.fixture
def called(monkeypatch, tmp_path):
    """What the entry point handed over: (config, run_dir) of each call."""
    calls = []

    def train(config, run_dir):
        calls.append((config, run_dir))
        return {"val/text": 0.5}

    monkeypatch.setitem(sys.modules, "anyany.launch.experiment", SimpleNamespace(train=train))
    for name in ("ANYANY_RUN", "ANYANY_DATA", "ANYANY_OUTPUTS", "ANYANY_CACHE"):
        monkeypatch.setenv(name, "")  # so that what train.py sets is undone
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return calls


def start(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [train_script.__file__, *arguments])
    train_script.main()


def test_training_gets_a_plain_checked_config_and_the_folder_of_the_run(called, monkeypatch, tmp_path):
    start(monkeypatch, "run=one", "stage.max_steps=7", "objective=val/text", "encoder.num_frames=4")
    config, run_dir = called[0]
    assert run_dir.resolve() == tmp_path / "outputs" / "default" / "one"
    assert (type(config), type(config["rows"]["image"]), config["stage"]["max_steps"]) == (dict, dict, 7)
    assert config["parts"]["encoder"]["patches"]["num_frames"] == 4
    assert "name" not in config["parts"]["encoder"]["patches"]
    assert json.loads((run_dir / "objective.json").read_text()) == {"name": "val/text", "value": 0.5}


def test_a_fault_that_only_the_target_knows_ends_without_a_traceback(called, monkeypatch):
    with pytest.raises(SystemExit, match=r"encoder\.patch_px: found 'four'; give a valid integer"):
        start(monkeypatch, "encoder.patch_px=four")
    assert called == []
