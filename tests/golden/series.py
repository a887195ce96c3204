"""How a golden series is made: a few steps of a stage on a small microworld, on one thread, in fp32."""

import csv
import json
from pathlib import Path

import torch

from anyany.launch.command_line import composed
from anyany.launch.experiment import train
from data_prep import microworld

FILE = Path(__file__).parent / "losses.json"
STAGES = ("enc_align", "dec_align", "instruct")
STEPS = 10


def write_world(folder: Path) -> Path:
    """The world that the series are trained on."""
    sizes = ["--train", "24", "--val", "4", "--test", "0", "--test-novel", "0", "--workers", "1"]
    microworld.main(["--out", str(folder / "microworld"), *sizes])
    return folder


def losses(stage: str, data: Path, outputs: Path) -> list[float]:
    """The training loss of each step."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order give other last digits
    folder = outputs / "golden" / stage / stage  # a run of its own, so that none takes up what another left
    try:
        train(config(stage, data, outputs), folder)
    finally:
        torch.set_num_threads(threads)
    (path,) = folder.glob("metrics/version_0/metrics.csv")
    with open(path) as file:
        return [float(row["train/text"]) for row in csv.DictReader(file) if row["train/text"]]


def config(stage: str, data: Path, outputs: Path) -> dict:
    paths = {"paths.data": data, "paths.outputs": outputs, "paths.cache": outputs / "cache"}
    numbers = {"stage.max_steps": STEPS, "data.num_workers": 0, "data.global_batch": 4, "llm.hidden_size": 32}
    numbers |= {"+trainer.log_every_n_steps": 1, "stage.val_every": "null", "+trainer.enable_progress_bar": "false"}
    chosen = {"experiment": "from_scratch", "stage": stage, "experiment_name": "golden", "run": stage}
    return composed([f"{key}={value}" for key, value in (chosen | paths | numbers).items()])


def read() -> dict[str, list[float]]:
    return json.loads(FILE.read_text())


def write(series: dict[str, list[float]]) -> None:
    rounded = {stage: [round(loss, 6) for loss in found] for stage, found in series.items()}
    lines = (f"  {json.dumps(stage)}: {json.dumps(found)}" for stage, found in rounded.items())
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
