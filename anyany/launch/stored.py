"""A run's folder as an argument: whether it is there, and the config that it was trained with."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from anyany.launch.errors import ConfigError, no_such
from anyany.runs import CONFIG, stage_folders


def existing(run: Path) -> Path:
    """The run's folder, if it is there.

    Raises:
        ConfigError: with the nearest folder beside it.
    """
    if not run.is_dir():
        beside = [path.name for path in run.parent.glob("*") if path.is_dir()]
        raise ConfigError(no_such(f"run={run}", run.name, beside, f"run in {run.parent}"))
    return run


def whole_run(folder: Path) -> Path:
    """The run's folder, of which one of its stages' folders may be given.

    Raises:
        ConfigError: if it is not there, or no stage was begun.
    """
    stage = last_stage(existing(folder))
    return stage.parent if stage == folder else folder


def last_stage(run: Path) -> Path:
    """The folder of the run's last stage; one of a stage itself is taken as it is.

    Raises:
        ConfigError: if no stage was begun.
    """
    if (run / CONFIG).is_file():
        return run
    if not (folders := stage_folders(run)):
        raise ConfigError(f"{run} holds no {CONFIG}, nor does a stage in it: it is not the folder of a run of train.py")
    return folders[-1]


def stored_config(run: Path) -> dict[str, Any]:
    """The resolved config that the run was trained with.

    Raises:
        ConfigError: if the folder holds none.
    """
    path = run / CONFIG
    if not path.is_file():
        raise ConfigError(f"{run} holds no {CONFIG}: it is not the folder of a run of train.py")
    config = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}
