"""Each logger in a short run: what it needs is installed, and it writes where the run is."""

import sys

import pytest

from anyany.launch.command_line import CONF
from anyany.launch.experiment import train
from tests.launch.test_experiment import config, run, world  # noqa: F401

LEFT = {
    "csv": "metrics/version_0/metrics.csv",
    "tensorboard": "metrics/version_0/events.out.tfevents.*",
    "wandb": "wandb/offline-run-*/run-*.wandb",
}


def test_every_logger_is_tried(record_property):
    found = sorted(path.stem for path in (CONF / "logger").glob("*.yaml"))
    record_property("found", f"{len(found)} loggers")
    assert found == sorted(LEFT)


@pytest.mark.parametrize("logger", LEFT)
def test_a_logger_writes_into_the_folder_of_the_stage(world, tmp_path, run, logger):  # noqa: F811
    train(config(world, tmp_path, f"logger={logger}", "stage.max_steps=2", "stage.val_every=2"), run)
    (file,) = run.glob(LEFT[logger])
    assert file.stat().st_size > 40  # a header alone has 7 bytes
    assert "wandb" not in sys.modules or sys.modules["wandb"].run is None
