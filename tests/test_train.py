"""The way from a command line to training, with training itself replaced."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import train as train_script
from anyany.data.ledger import Ledger
from anyany.faults import UserError
from anyany.files import whole


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
    start(monkeypatch, "run=one", "stage.max_steps=7", "objective=val/text", "encoder=patches", "encoder.num_frames=4")
    config, run_dir = called[0]
    assert run_dir.resolve() == tmp_path / "outputs" / "default" / "one" / "enc_align"
    assert (type(config), type(config["rows"]["image"]), config["stage"]["max_steps"]) == (dict, dict, 7)
    assert config["parts"]["encoder"]["patches"]["num_frames"] == 4
    assert "name" not in config["parts"]["encoder"]["patches"]
    assert json.loads((run_dir.parent / "objective.json").read_text()) == {"name": "val/text", "value": 0.5}


def test_a_fault_that_only_the_target_knows_ends_without_a_traceback(called, monkeypatch):
    with pytest.raises(SystemExit, match=r"encoder\.patch_px: found 'four'; give a valid integer"):
        start(monkeypatch, "encoder=patches", "encoder.patch_px=four")
    assert called == []


def test_what_training_refuses_is_told_in_its_words_alone(called, monkeypatch):
    def train(config, run_dir):
        raise UserError("the checkpoint was taken from another stream")

    monkeypatch.setitem(sys.modules, "anyany.launch.experiment", SimpleNamespace(train=train))
    with pytest.raises(SystemExit) as end:
        start(monkeypatch, "run=one")
    assert end.value.code == "the checkpoint was taken from another stream"


def test_an_error_of_the_code_keeps_its_traceback(called, monkeypatch):
    def train(config, run_dir):
        raise ValueError("a bug")

    monkeypatch.setitem(sys.modules, "anyany.launch.experiment", SimpleNamespace(train=train))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="a bug"):
        start(monkeypatch, "run=one")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="a file without room is a thing of Linux")
@pytest.mark.parametrize("write", ["lines", "a whole file"])
@pytest.mark.parametrize("is_saved", [False, True])
def test_a_disk_that_fills_up_is_told_with_how_to_go_on(called, monkeypatch, is_saved, write):
    def train(config, run_dir):
        if is_saved:
            (run_dir / "checkpoints").mkdir(parents=True)
            (run_dir / "checkpoints" / "step=2.ckpt").touch()
        ledger = run_dir / "ledger"
        ledger.mkdir(parents=True)
        if write == "a whole file":
            with whole(run_dir / "delta") as temporary:
                temporary.symlink_to("/dev/full")
                temporary.write_text("x")
        (ledger / "rank-00000.jsonl").symlink_to("/dev/full")
        Ledger(ledger, 0).write(0, [])

    monkeypatch.setitem(sys.modules, "anyany.launch.experiment", SimpleNamespace(train=train))
    told = r"outputs/default/one\S* could not be written \(\[Errno 28\] No space left on device\); make room, then"
    again = "give the same command again" + (" with run=one resume=true" if is_saved else "")
    with pytest.raises(SystemExit, match=f"{told} {again}$"):
        start(monkeypatch, "run=one")


def test_an_objective_that_no_run_gives_is_refused_before_training(called, monkeypatch):
    with pytest.raises(SystemExit, match=r"objective=val/txt: no such metric; did you mean val/text\?"):
        start(monkeypatch, "run=one", "objective=val/txt")
    assert called == []
