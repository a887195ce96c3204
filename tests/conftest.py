"""What all tests share: the environment, tests that skip themselves visibly, and a count of the cases that tests found.

A test that finds its own cases tells how many with ``record_property("found", "31 yaml files under conf")``.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors; the other core belongs to workers and second ranks
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["WANDB_MODE"] = "offline"
os.environ["HF_HUB_OFFLINE"] = "1"

WEIGHTS = "ANYANY_WEIGHTS"


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """``gpu`` and ``weights`` tests are collected everywhere and say why they do not run."""
    reasons = {"gpu": _no_gpu, "weights": _no_weights}
    for item in items:
        for marker, why in reasons.items():
            if item.get_closest_marker(marker) and (reason := why()):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    found = sorted({str(text) for report in reports for name, text in report.user_properties if name == "found"})
    if found:
        terminalreporter.section("cases that tests found")
        for text in found:
            terminalreporter.line(text)


def _no_gpu() -> str:
    import torch

    return "" if torch.cuda.is_available() else "no CUDA device on this machine"


def _no_weights() -> str:
    folder = os.environ.get(WEIGHTS, "")
    return "" if folder and Path(folder).is_dir() else f"no published weights: ${WEIGHTS} names no folder"
