"""Trains a stage of a model: ``python train.py --help`` tells what can be chosen."""

import logging
import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from anyany.faults import UserError
from anyany.files import NoRoom, needing_room
from anyany.launch import jobs, pipeline
from anyany.launch.checks import checked
from anyany.launch.command_line import CONF, check_command_line
from anyany.runs import resuming
from anyany.surroundings import settle


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(cfg: DictConfig) -> float | None:
    """One run, or one job of a sweep; gives back the sweep's objective."""
    try:
        jobs.check_ranks(os.environ, list(HydraConfig.get().overrides.task))
        return jobs.run_apart(Path(__file__)) if jobs.in_sweep() else train(cfg)
    except UserError as error:
        sys.exit(str(error))


def train(cfg: DictConfig) -> float | None:
    """Checks the config, trains, and leaves the objective in the run's folder.

    Raises:
        UserError: for all stages at once, asked for elsewhere than on the command line.
    """
    if HydraConfig.get().runtime.choices["stage"] == "all":
        raise UserError("stage=all is a word of the command line alone: python train.py stage=all ...")
    config = checked(cfg, CONF)
    os.environ[jobs.RUN_NAME] = config["run"]
    logging.getLogger("lightning").handlers.clear()  # its own console handler would print each of its lines twice
    from anyany.launch.experiment import train as train_stage  # heavy: --help and --cfg answer without it

    run_dir = Path(HydraConfig.get().runtime.output_dir)
    folder = run_dir / config["stage"]["name"]
    try:
        with needing_room(run_dir):
            metrics = train_stage(config, folder)
    except NoRoom as error:
        raise UserError(f"{error}{resuming(folder)}") from error
    return jobs.write_objective(metrics, config["objective"], run_dir)


if __name__ == "__main__":
    settle()
    try:
        check_command_line(CONF, "train", sys.argv[1:])
        if pipeline.is_asked_for(sys.argv[1:]):
            sys.exit(pipeline.run_all(Path(__file__).parent, sys.argv[1:]))
    except UserError as error:
        sys.exit(str(error))
    main()
