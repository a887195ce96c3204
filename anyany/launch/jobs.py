"""One fresh process for each job of a sweep.

Lightning starts its other ranks with the command line of the first. Inside a Hydra sweep that is the line of the whole
sweep: each rank then runs a sweep of its own, and ranks of one job have been seen to train different hyper-parameters.
What a job leaves in the environment (LOCAL_RANK, MASTER_PORT, seeds, a W&B run id) also reaches the next. A process
with only the job's own overrides and a clean environment is free of both.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from anyany.launch.errors import ConfigError, no_such

RUN_NAME = "ANYANY_RUN"  # the run's name, for the ranks that are started after the first one took a time stamp
OBJECTIVE = "objective.json"

_LEAKS = {
    "RANK",
    "LOCAL_RANK",
    "GROUP_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
}
_LEAKS |= {"PL_GLOBAL_SEED", "PL_SEED_WORKERS", "WANDB_RUN_ID", "WANDB_SERVICE", RUN_NAME}
_LEAK_PREFIXES = ("TORCHELASTIC_", "ROLE_")
_SWEEP_ONLY = ("hydra.mode", "hydra.run", "hydra.sweep", "hydra.launcher", "hydra/sweeper", "hydra/launcher")


def in_sweep() -> bool:
    """Whether this process was asked for a sweep, so that its jobs have to run apart."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def run_apart(script: Path) -> float | None:
    """Runs the current job of a sweep in a process of its own and gives back its objective.

    Raises:
        RuntimeError: if the job fails.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    command = [sys.executable, str(script), *job_arguments(folder)]
    code = subprocess.run(command, env=clean_environment(os.environ), cwd=hydra.runtime.cwd, check=False).returncode
    if code:
        raise RuntimeError(f"job {hydra.job.num} of the sweep ended with exit code {code}; its log is in {folder}")
    return read_objective(folder)


def job_arguments(folder: Path) -> list[str]:
    """The command line of the current job: what makes it differ, and where it writes."""
    hydra = HydraConfig.get()
    kept = [override for override in hydra.overrides.hydra if not override.lstrip("+~").startswith(_SWEEP_ONLY)]
    where = {"hydra.mode": "RUN", "hydra.run.dir": _quoted(str(folder)), "run": _quoted("/".join(folder.parts[-2:]))}
    config = [f"--config-name={hydra.job.config_name}"]
    return [*config, *hydra.overrides.task, *kept, *(f"{key}={value}" for key, value in where.items())]


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what belongs to one job or one rank."""
    leaks = {name for name in environment if name in _LEAKS or name.startswith(_LEAK_PREFIXES)}
    return {name: value for name, value in environment.items() if name not in leaks}


def check_ranks(environment: Mapping[str, str], overrides: list[str]) -> None:
    """Refuses what goes wrong when a launcher such as torchrun starts all ranks itself.

    Raises:
        ConfigError: for a sweep, and for a run without a name (each rank would name it by its own clock).
    """
    if int(environment.get("WORLD_SIZE", 1)) == 1:
        return
    if in_sweep():
        raise ConfigError("a sweep starts the processes of its jobs itself: start it with python, not with torchrun")
    if RUN_NAME not in environment and not any(override.startswith("run=") for override in overrides):
        raise ConfigError("run: each rank would name the run by its own clock; give run=<name>")


def objective_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the objective, told before anything is trained."""
    if config.get("objective") is None:
        return
    name, validated = config["objective"], config["stage"]["val_every"] is not None
    written = [row for row, parts in config["rows"].items() if config["stage"]["writes"] and parts["output_projector"]]
    terms = ["text", *(f"{row}/align" for row in written)]
    train, val = ([f"{prefix}/{term}" for term in terms] for prefix in ("train", "val"))
    if name in val and not validated:
        yield f"objective={name}: nothing is validated; set stage.val_every"
    elif name not in (known := [*train, *(val if validated else [])]):
        yield no_such(f"objective={name}", name, known, "metric")


def write_objective(metrics: Mapping[str, float], name: str | None, folder: Path) -> float | None:
    """Leaves the metric that a sweep minimises or maximises where the sweep finds it.

    A run that was complete already trains and measures nothing; what it left then still holds.

    Raises:
        ConfigError: if the run gave no such metric.
    """
    if name is None:
        return None
    if not metrics and (left := _left(folder)).get("name") == name:
        return left["value"]
    if name not in metrics:
        raise ConfigError(f"objective={name}: the run gave none; it gave {', '.join(sorted(metrics)) or 'nothing'}")
    if is_first_rank(os.environ):
        (folder / OBJECTIVE).write_text(json.dumps({"name": name, "value": metrics[name]}) + "\n")
    return metrics[name]


def read_objective(folder: Path) -> float | None:
    """The objective that a job left, or None if its config asks for none."""
    return _left(folder).get("value")


def is_first_rank(environment: Mapping[str, str]) -> bool:
    """Whether this is the only process of the run or rank 0 of it."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
    return all(int(environment.get(name, 0)) == 0 for name in ranks)


def _left(folder: Path) -> dict[str, Any]:
    path = folder / OBJECTIVE
    return json.loads(path.read_text()) if path.exists() else {}


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
