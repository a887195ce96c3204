"""Evaluates a run: ``python eval.py run=outputs/<experiment>/<run>``."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from anyany.faults import UserError
from anyany.launch.checks import checked
from anyany.launch.command_line import CONF, check_command_line
from anyany.launch.errors import ConfigError, no_such
from anyany.runs import CONFIG

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="eval")
def main(cfg: DictConfig) -> None:
    """Writes the loss terms of one run on one split into its folder."""
    try:
        config = checked(cfg, CONF, "eval")
        write_metrics(existing(Path(config["run"])), config["split"])
    except UserError as error:
        sys.exit(str(error))


def write_metrics(run: Path, split: str) -> None:
    """Leaves the loss terms of the run's last checkpoint in its folder.

    Raises:
        UserError: where the folder is not that of a trained run, or the split is not one of its sources.
    """
    config = stored_config(run)
    from anyany.launch.experiment import evaluate  # heavy: --help and --cfg answer without it

    metrics = evaluate(config, run, split)
    path = run / f"evaluation-{split}.json"
    path.write_text(json.dumps(metrics, indent=2) + "\n")
    log.info("%s: %s", path, json.dumps(metrics))


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


def existing(run: Path) -> Path:
    """The run's folder, if it is there.

    Raises:
        ConfigError: with the nearest folder beside it.
    """
    if not run.is_dir():
        beside = [path.name for path in run.parent.glob("*") if path.is_dir()]
        raise ConfigError(no_such(f"run={run}", run.name, beside, f"run in {run.parent}"))
    return run


if __name__ == "__main__":
    try:
        check_command_line(CONF, "eval", sys.argv[1:])
    except UserError as error:
        sys.exit(str(error))
    main()
