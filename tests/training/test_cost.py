import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from anyany.training import cost
from anyany.training.cost import StageCost, peak_mib


class Clock:
    now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(cost, "time", clock)
    return clock


def trainer(ranks=1, sanity_checking=False):
    reduce = lambda tensor, reduce_op: tensor * ranks  # noqa: E731
    return SimpleNamespace(
        strategy=SimpleNamespace(reduce=reduce, root_device=torch.device("cpu")),
        is_global_zero=True,
        sanity_checking=sanity_checking,
    )


def step(*numbers):
    return SimpleNamespace(micro_batches=[SimpleNamespace(samples=[None] * number) for number in numbers])


MODULE = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1).requires_grad_(False))


def test_validation_is_left_out(tmp_path, clock):
    counted = StageCost(tmp_path / "cost.json")
    counted.on_validation_start(trainer(), MODULE)
    counted.on_validation_end(trainer(sanity_checking=True), MODULE)
    clock.now += 7  # before the first step
    counted.on_train_start(trainer(), MODULE)
    for seconds, samples in ((2, (3, 1)), (3, (4,))):
        clock.now += seconds
        counted.on_train_batch_end(trainer(), MODULE, None, step(*samples), 0)
    counted.on_validation_start(trainer(), MODULE)
    clock.now += 50
    counted.on_validation_end(trainer(), MODULE)
    clock.now += 1
    counted.on_train_end(trainer(ranks=2), MODULE)
    clock.now += 9  # what comes behind the last step
    counted.leave(trainer(ranks=2), MODULE)
    found = json.loads((tmp_path / "cost.json").read_text())
    assert {name: figure["value"] for name, figure in found.items() if name != "peak_mib"} == {
        "seconds": 6.0,
        "samples_per_s": round(16 / 6, 6),
        "trainable": 8,
        "total": 11,
    }
    assert all(figure["n"] == 1 and figure["low"] == figure["high"] == figure["value"] for figure in found.values())


def test_a_stage_that_goes_on_counts_what_was_saved(tmp_path, clock):
    first = StageCost(tmp_path / "cost.json")
    first.on_train_start(trainer(), MODULE)
    clock.now += 4
    first.on_train_batch_end(trainer(), MODULE, None, step(5), 0)
    saved = first.state_dict()
    clock.now += 100  # lost
    again = StageCost(tmp_path / "cost.json")
    again.load_state_dict(saved)
    again.on_train_start(trainer(), MODULE)
    clock.now += 6
    again.on_train_batch_end(trainer(), MODULE, None, step(5), 1)
    again.on_train_end(trainer(), MODULE)
    again.leave(trainer(), MODULE)
    found = json.loads((tmp_path / "cost.json").read_text())
    assert (found["seconds"]["value"], found["samples_per_s"]["value"]) == (10.0, 1.0)


def test_a_stage_that_trained_nothing_leaves_nothing(tmp_path, clock):
    counted = StageCost(tmp_path / "cost.json")
    counted.on_train_start(trainer(), MODULE)
    counted.on_train_end(trainer(), MODULE)
    counted.leave(trainer(), MODULE)
    assert list(tmp_path.iterdir()) == []


def test_memory_that_is_held_is_counted():
    before = peak_mib()
    held = torch.ones(round(before + 64) * 2**18)  # of 4 bytes each
    assert peak_mib() >= before + 64 - 1
    assert held.sum() > 0
