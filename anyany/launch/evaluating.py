"""From the folder of a run to its scoreboard and its report."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from anyany.evaluation.asking import Each, here
from anyany.evaluation.evaluator import Answered, Asked, add_alignment, add_bounds, evaluate, figures_of, tasks
from anyany.evaluation.forgetting import text_loss
from anyany.evaluation.items import held_out_texts
from anyany.evaluation.report import report
from anyany.evaluation.scores import as_json
from anyany.figures import Figure, from_json
from anyany.files import write_whole
from anyany.launch.answering import side_by_side
from anyany.launch.experiment import device_of
from anyany.launch.running import UNTRAINED, answering, each_stage, untrained, warn_of_unended
from anyany.launch.stored import last_stage, stored_config
from anyany.models.assemble import Assembled
from anyany.models.precision import is_bf16
from anyany.runs import COST, stage_folders

SCOREBOARD, REPORT = "scoreboard.json", "report.html"
MAIN = ("exact_match", "all_right", "ceiling", "floor")  # of what is also told by attribute


def evaluate_run(
    run: Path, number: int, seed: int, processes: int | None = None, precision: str = "fp32"
) -> dict[str, Any]:
    """Measures what the run's last stage left; writes the scoreboard and the report into its folder.

    Args:
        number: of items for each figure.
        processes: that answer side by side; None is one a core, on a GPU one.
        precision: of the decoders' matrix products: "fp32", "bf16" or "auto".
    """
    config, missing = stored_config(last_stage(run)), warn_of_unended(run)
    parts, model = untrained(config)
    conversations = held_out_texts(config["level"], number)
    forgotten = {
        stage: text_loss(model.llm, parts.vocabulary, conversations) for stage in each_stage(run, parts, model)
    }
    asked = Asked(config["level"], number, seed=seed)
    processes, bf16 = processes or _processes(config), is_bf16(precision, device_of(config))
    one = nullcontext(here(answering(config, parts, model, bf16))) if processes == 1 else None
    answered = _answered(asked, one or side_by_side(run, processes, bf16), config, parts)
    figures = figures_of(answered) | {"forgotten": forgotten, "cost": _costs(run)}
    write_whole(run / SCOREBOARD, json.dumps(as_json(figures), indent=1) + "\n")
    stages = ", ".join(name for name in forgotten if name != UNTRAINED) or "none"
    told = f"Level {config['level']}, {number} items a figure, seed {seed}, stages: {stages}."
    told += f" Begun and not ended: {', '.join(missing)}." if missing else ""
    told += " Decoders round their products to bfloat16." if bf16 else ""
    write_whole(run / REPORT, report(f"{run.parent.name} / {run.name}", told, figures, answered))
    return figures


def _processes(config: Mapping[str, Any]) -> int:
    return 1 if device_of(config) != "cpu" else len(os.sched_getaffinity(0))


def _answered(
    asked: Asked, answerers: AbstractContextManager[Each], config: Mapping[str, Any], parts: Assembled
) -> list[Answered]:
    every = list(tasks(asked, list(parts.preprocess), list(parts.decoders)))
    drawn = 2 * sum(len(task.items) for task in every if task.name.startswith("generation"))
    with answerers as each, Progress() as progress:
        task = progress.add_task("asking", total=sum(len(task.items) for task in every) + drawn)

        def told(done: int) -> None:
            progress.advance(task, done)

        answered = evaluate(each, every, asked.seed, told)
        add_alignment(answered, each)
        add_bounds(answered, each, Path(config["paths"]["cache"]) / "bounds", told)
    return answered


def _costs(run: Path) -> dict[str, dict[str, Figure]]:
    found = {folder.name: folder / COST for folder in stage_folders(run)}
    return {
        stage: {name: from_json(figure) for name, figure in json.loads(path.read_text()).items()}
        for stage, path in found.items()
        if path.is_file()
    }


def show(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """The scoreboard as a table in the terminal."""
    table = Table("figure", "value, 95 %", "n", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in table.columns:
        column.no_wrap = True
    for name, figure in _flat(figures):
        table.add_row(name, _told(figure), str(figure.n))
    (console or Console()).print(table)


def _told(figure: Figure) -> str:
    """One number alone has no interval."""
    if figure.n == 1:
        return f"{figure.value:,.0f}"
    return f"{figure.value:.3f}  {figure.low:.3f} to {figure.high:.3f}"


def _flat(figures: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Figure]]:
    """Figures under dotted names, without those of single attributes."""
    main = {name: value for name, value in figures.items() if name in MAIN}
    for name, value in (main or figures).items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, Figure):
            yield f"{before}{name}", value
