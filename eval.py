"""Evaluates a run: ``python eval.py run=outputs/<experiment>/<run>``."""

import json
import logging
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from anyany.faults import UserError
from anyany.files import needing_room
from anyany.launch.checks import checked
from anyany.launch.command_line import CONF, check_command_line
from anyany.launch.stored import existing, last_stage, stored_config, whole_run
from anyany.surroundings import settle

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="eval")
def main(cfg: DictConfig) -> None:
    """Writes the scoreboard of one run, or its loss terms on one split, into its folder."""
    try:
        config = checked(cfg, CONF, "eval")
        run = existing(Path(config["run"]))
        with needing_room(run):
            if config["losses"] is not None:
                write_losses(last_stage(run), config["losses"])
            else:
                write_scoreboard(run, config["number"], config["seed"], config["processes"], config["precision"])
    except UserError as error:
        sys.exit(str(error))


def write_scoreboard(run: Path, number: int, seed: int, processes: int | None, precision: str) -> None:
    """Measures the run on the microworld; leaves figures and a page, and prints the figures.

    Raises:
        UserError: where the folder is not that of a run.
    """
    run = whole_run(run)
    from anyany.launch.evaluating import REPORT, SCOREBOARD, evaluate_run, show

    show(evaluate_run(run, number, seed, processes, precision))
    log.info("%s, %s: open it in a browser", run / SCOREBOARD, run / REPORT)


def write_losses(run: Path, split: str) -> None:
    """Leaves the loss terms of a stage's last checkpoint in its folder.

    Raises:
        UserError: where the folder is not that of a trained run, or the split is not one of its sources.
    """
    config = stored_config(run)
    from anyany.launch.experiment import evaluate  # heavy: --help and --cfg answer without it

    metrics = evaluate(config, run, split)
    path = run / f"losses-{split}.json"
    path.write_text(json.dumps(metrics, indent=2) + "\n")
    log.info("%s: %s", path, json.dumps(metrics))


if __name__ == "__main__":
    settle()
    try:
        check_command_line(CONF, "eval", sys.argv[1:])
    except UserError as error:
        sys.exit(str(error))
    main()
