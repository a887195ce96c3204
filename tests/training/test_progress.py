from types import SimpleNamespace

import pytest
import torch

from anyany.training import progress
from anyany.training.progress import OVER, Progress


@pytest.fixture
def bar(monkeypatch):
    """A bar without a screen, on a clock that the test sets."""
    for name in ("on_train_start", "on_validation_end", "on_train_batch_end"):
        monkeypatch.setattr(progress.RichProgressBar, name, lambda *_: None)
    bar = Progress()
    bar.now = 100.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: bar.now)
    bar.on_train_start(None, None)
    return bar


def step(bar, seconds, samples, tokens):
    bar.now += seconds
    segments = torch.tensor([[0] * tokens + [-1] * 5])
    micro_batches = [SimpleNamespace(samples=["x"] * samples, segment_ids_BT=segments)] * 2
    bar.on_train_batch_end(None, None, None, SimpleNamespace(micro_batches=micro_batches), 0)


def test_rates_are_of_the_steps_since_the_start(bar):
    assert bar.rates(1) == {}
    step(bar, 2.0, 3, 40)
    step(bar, 2.0, 5, 60)
    assert bar.rates(1) == {"samples/s": 4, "tokens/s": 50}  # 16 and 200 in 4 s
    assert bar.rates(3) == {"samples/s": 12, "tokens/s": 150}


def test_old_steps_and_validations_do_not_count(bar):
    step(bar, 1000.0, 1, 1)
    for _ in range(OVER):
        step(bar, 0.5, 1, 10)
    assert bar.rates(1) == {"samples/s": 4, "tokens/s": 40}
    bar.now += 1000.0
    bar.on_validation_end(None, None)
    assert bar.rates(1) == {}
    step(bar, 0.5, 2, 10)
    assert bar.rates(1) == {"samples/s": 8, "tokens/s": 40}


def test_they_stand_before_the_loss_terms(bar, monkeypatch):
    monkeypatch.setattr(progress.RichProgressBar, "get_metrics", lambda *_: {"train/text": 1.5})
    step(bar, 1.0, 1, 2)
    trainer = SimpleNamespace(world_size=1)
    assert bar.get_metrics(trainer, None) == {"samples/s": 2, "tokens/s": 4, "train/text": 1.5}
