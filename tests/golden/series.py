"""How a golden series is made: steps of a stage of the default model on a small microworld, on one thread, in fp32."""

import csv
import json
import re
from pathlib import Path

import torch

from anyany.launch.command_line import composed
from anyany.launch.experiment import train
from data_prep import microworld

FILE = Path(__file__).parent / "losses.json"
TERMS = ("text", "align", "keep")
STAGES = ("enc_align", "dec_align", "instruct")
STEPS = 20
Series = dict[str, list[float]]  # loss term -> its value at each step


def write_world(folder: Path) -> Path:
    """The world that the series are trained on."""
    sizes = ["--train", "24", "--val", "4", "--test", "0", "--test-novel", "0", "--workers", "1"]
    microworld.main(["--out", str(folder / "microworld"), *sizes])
    return folder


def losses(stage: str, data: Path, outputs: Path) -> Series:
    """The training losses of each step."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order give other last digits
    folder = outputs / "golden" / stage / stage  # a run of its own, so that none takes up what another left
    try:
        train(config(stage, data, outputs), folder)
    finally:
        torch.set_num_threads(threads)
    (path,) = folder.glob("metrics/version_0/metrics.csv")
    with open(path) as file:
        rows = [row for row in csv.DictReader(file) if row["train/text"]]
    terms = [name for name in rows[0] if name.startswith("train/") and name.split("/")[-1] in TERMS]
    return {name.removeprefix("train/"): [float(row[name]) for row in rows if row[name]] for name in terms}


def config(stage: str, data: Path, outputs: Path) -> dict:
    paths = {"paths.data": data, "paths.outputs": outputs, "paths.cache": outputs / "cache"}
    numbers = {"stage.max_steps": STEPS, "data.num_workers": 0}
    numbers |= {"+trainer.log_every_n_steps": 1, "stage.val_every": "null", "+trainer.enable_progress_bar": "false"}
    chosen = {"stage": stage, "experiment_name": "golden", "run": stage}
    return composed([f"{key}={value}" for key, value in (chosen | paths | numbers).items()])


def read() -> dict[str, Series]:
    return json.loads(FILE.read_text())


def write(series: dict[str, Series]) -> None:
    rounded = {s: {n: [round(loss, 6) for loss in found] for n, found in terms.items()} for s, terms in series.items()}
    FILE.write_text(re.sub(r",\s+(?=-?\d)", ", ", json.dumps(rounded, indent=1)) + "\n")
