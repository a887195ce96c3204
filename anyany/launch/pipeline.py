"""``stage=all``: the stages one after the other, then the evaluation, each in a fresh process."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from anyany.faults import UserError
from anyany.launch.command_line import CONF
from anyany.launch.jobs import RUN_NAME, clean_environment
from anyany.runs import CONFIG, STAGES, delta_folder, stage_folders

ALL, RESUME = "stage=all", "resume=true"
_NO_RUN = {"-m", "--multirun", "-h", "--help", "-c", "--cfg", "-i", "--info", "--hydra-help", "-p", "--package"}


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Whether this process is to run all stages itself; in a sweep each job's process does."""
    return ALL in arguments and not any(argument.partition("=")[0] in _NO_RUN for argument in arguments)


def run_all(root: Path, arguments: Sequence[str]) -> int:
    """Runs ``train.py`` and ``eval.py`` of the folder ``root``; gives the exit code of the first that fails, or 0.

    With ``resume=true`` what is complete is not trained again, and what was not begun is begun.

    Raises:
        UserError: where there is nothing to go on with, where a launcher has started this process as one of many, and
            for what one stage alone can do.
    """
    if any(name.startswith("TORCHELASTIC_") for name in os.environ):
        raise UserError(f"{ALL} starts processes of its own; leave torchrun out, and give trainer=ddp or trainer=fsdp")
    if any(argument.lstrip("+").startswith("stage.starts_from=") for argument in arguments):
        raise UserError(f"{ALL} hands on from stage to stage; give stage.starts_from with one stage: stage=dec_align")
    environment = clean_environment(os.environ) | {RUN_NAME: os.environ.get(RUN_NAME) or _now()}
    resumed = any(argument.lower() == RESUME for argument in arguments)
    given = [argument for argument in arguments if argument != ALL and argument.lower() != RESUME]
    folder = run_folder(given, environment[RUN_NAME])
    if resumed and not stage_folders(folder):
        others = sorted(run.name for run in folder.parent.glob("*") if stage_folders(run))
        raise UserError(f"{folder} holds no run to go on with; give run=<name>: {', '.join(others) or 'there is none'}")
    for stage in STAGES:
        begun = resumed and (folder / stage / CONFIG).is_file()
        command = [str(root / "train.py"), *given, f"stage={stage}", *([RESUME] if begun else [])]
        if code := _run(command, environment):
            name = "" if any(argument.startswith("run=") for argument in given) else f" run={folder.name}"
            words = f"{shlex.join(given)}{name} {ALL}{f' {RESUME}' if stage_folders(folder) else ''}".strip()
            where = (
                f"stopped behind {stage}" if delta_folder(folder / stage, stage).is_dir() else f"{stage} did not end"
            )
            sys.stderr.write(f"{where}; go on with: python train.py {words}\n")
            return code
    if code := _run([str(root / "eval.py"), f"run={folder}"], environment):
        sys.stderr.write(
            f"the evaluation did not end; begin it anew with: python eval.py {shlex.quote(f'run={folder}')}\n"
        )
    return code


def run_folder(arguments: Sequence[str], name: str, conf_dir: Path = CONF) -> Path:
    """Where a run of these arguments writes.

    Args:
        name: of the run, unless the arguments give one.
    """
    before = os.environ.get(RUN_NAME)
    os.environ[RUN_NAME] = name
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir.resolve())):
            overrides = [argument for argument in arguments if not argument.startswith("-")]
            config = compose("train", overrides, return_hydra_config=True)
            return Path(str(OmegaConf.select(config, "hydra.run.dir")))
    finally:
        os.environ.pop(RUN_NAME) if before is None else os.environ.update({RUN_NAME: before})


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    """The exit code of a process. A signal to stop is for it, and it saves; this one waits for it and is no success.

    That of the keyboard reaches both.
    """
    process = subprocess.Popen([sys.executable, *command], env=environment)
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        if number == signal.SIGTERM:
            process.send_signal(number)

    before = {name: signal.signal(name, hear) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = process.wait()
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    return code or (128 + heard[0] if heard else 0)


def _now() -> str:
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
