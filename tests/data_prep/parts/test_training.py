import math

import numpy as np
import pytest
import torch
from torch import nn

from anyany.faults import UserError
from data_prep.parts import training
from data_prep.parts.training import Recipe, Training, draw_of, rate

CPU = torch.device("cpu")


class Lines(Recipe):
    """Fits noisy lines with one layer; another layer is frozen. Remembers what its steps drew."""

    learning_rate = 0.05

    def __init__(self, steps=7, identity="lines", name="toy/lines", stop_at=None, value=1.0, dropout=0.3, ends=None):
        torch.manual_seed(0)
        self.name, self.steps, self.identity, self.stop_at, self.value = name, steps, identity, stop_at, value
        self.ends = ends
        self.module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(dropout), nn.Linear(4, 1))
        self.module[0].weight.requires_grad_(False)
        self.drawn, self.modes = [], []

    def loss(self, draw):
        if len(self.drawn) == self.stop_at:
            raise KeyboardInterrupt
        noise_NX, choices = draw.normal(8, 3), draw.rng.integers(10, size=3).tolist()
        self.drawn.append((noise_NX, draw.uniform(2), draw.integers(1000, 2), choices))
        self.modes.append(self.module.training)
        missed = self.module(noise_NX).squeeze(-1) - noise_NX.sum(-1)
        return {"square": self.value * missed.square().mean(), "none": torch.zeros(())}


@pytest.fixture(autouse=True)
def save_after_every_step(monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY_S", -1.0)


def weights_of(recipe):
    return [parameter.detach().clone() for parameter in recipe.module.parameters()]


def state_of(work, recipe):
    return torch.load(work / recipe.name / "state.pt", weights_only=True)


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize(
    ("stops", "ends"), [([1], None), ([4], None), ([6], None), ([2, 3, 5], None), ([4], ()), ([2, 5], ("3.",))]
)
def test_a_stopped_training_ends_as_one_that_was_not(tmp_path, stops, ends):
    whole = Lines(ends=ends)
    Training(whole, tmp_path / "whole", CPU).train()
    done = 0
    for stop in stops:
        torch.manual_seed(stop)  # what is drawn elsewhere decides nothing
        with pytest.raises(KeyboardInterrupt):
            Training(Lines(stop_at=stop - done, ends=ends), tmp_path / "parts", CPU).train()
        assert state_of(tmp_path / "parts", whole)["step"] == stop
        done = stop
    last = Lines(ends=ends)
    Training(last, tmp_path / "parts", CPU).train()
    assert len(last.drawn) == 7 - stops[-1]
    one, other = (state_of(tmp_path / folder, whole) for folder in ("whole", "parts"))
    assert one.pop("seconds") > 0
    assert other.pop("seconds") > 0
    assert same(one, other)
    assert same(weights_of(whole), weights_of(last))
    assert same(weights_of(whole)[1:], one["average"])
    assert [path.name for path in (tmp_path / "parts" / "toy" / "lines").iterdir()] == ["state.pt"]


def test_a_finished_training_is_not_trained_again(tmp_path):
    first, again = Lines(), Lines(stop_at=0)
    seconds = Training(first, tmp_path, CPU).train()
    assert Training(again, tmp_path, CPU).train() == seconds > 0
    assert same(weights_of(first), weights_of(again))
    assert not again.module.training


def test_seconds_add_up_over_stops(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Training(Lines(stop_at=3), tmp_path, CPU).train()
    path = tmp_path / "toy/lines/state.pt"
    torch.save(torch.load(path, weights_only=True) | {"seconds": 1000.0}, path)
    assert 1000 < Training(Lines(), tmp_path, CPU).train() < 1060


def test_a_state_of_another_recipe_is_refused(tmp_path):
    Training(Lines(), tmp_path, CPU).train()
    before = (tmp_path / "toy/lines/state.pt").read_bytes()
    with pytest.raises(UserError, match=r"state.pt was left by another recipe \(lines, now curves\); delete it"):
        Training(Lines(identity="curves"), tmp_path, CPU).train()
    assert (tmp_path / "toy/lines/state.pt").read_bytes() == before


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_training(tmp_path, value):
    recipe = Lines(value=value)
    before = weights_of(recipe)
    with pytest.raises(FloatingPointError, match=f"toy/lines: loss {value} at step 0"):
        Training(recipe, tmp_path, CPU).train()
    assert same(weights_of(recipe), before)
    assert not (tmp_path / "toy").exists()


def test_averaged_weights_are_at_first_the_plain_mean(tmp_path):
    recipe = Lines(steps=50)
    run, seen = Training(recipe, tmp_path, CPU), []
    for _ in range(6):
        run.one_step()
        seen.append(weights_of(recipe)[1:])
        for average, *history in zip(run.average, *seen, strict=True):
            torch.testing.assert_close(average, torch.stack(history).mean(0))


def test_later_weights_count_by_their_share(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "AVERAGED_OVER", 3)
    recipe, by_loop = Lines(steps=50), 0.0
    run = Training(recipe, tmp_path, CPU)
    for step in range(8):
        run.one_step()
        share = 1 / min(step + 1, 3)
        by_loop = (1 - share) * by_loop + share * recipe.module[2].weight.detach()
    torch.testing.assert_close(run.average[1], by_loop)


def test_a_step_is_adamw_on_clipped_gradients(tmp_path):
    recipe, plain = Lines(dropout=0.0, steps=100, value=50.0), Lines(dropout=0.0, steps=100, value=50.0)
    optimizer = torch.optim.AdamW(list(plain.module.parameters())[1:], betas=(0.9, 0.98), weight_decay=0.01)
    run = Training(recipe, tmp_path, CPU)
    for step in range(4):
        terms = run.one_step()
        optimizer.param_groups[0]["lr"] = 0.05 * min(step + 1, 3) / 3 if step < 3 else 0.05
        loss = plain.loss(draw_of(plain.name, step, CPU))["square"]
        optimizer.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in list(plain.module.parameters())[1:]))
        assert norm > 1
        for parameter in list(plain.module.parameters())[1:]:
            parameter.grad /= norm
        optimizer.step()
        assert terms == {"square": pytest.approx(loss.item(), rel=1e-4), "none": 0.0}
    torch.testing.assert_close(weights_of(recipe), weights_of(plain), atol=1e-5, rtol=1e-4)


def test_what_is_frozen_stays_and_what_is_not_is_trained(tmp_path):
    recipe = Lines()
    before = weights_of(recipe)
    Training(recipe, tmp_path, CPU).train()
    after = weights_of(recipe)
    assert torch.equal(before[0], after[0])
    assert all((one - other).abs().max() > 1e-3 for one, other in zip(before[1:], after[1:], strict=True))
    assert len(state_of(tmp_path, recipe)["parameters"]) == 3
    assert recipe.modes == [True] * 7
    assert not recipe.module.training


def test_what_a_step_draws_follows_from_name_and_step_alone(tmp_path):
    drawn = {}
    for key, name in (("first", "a"), ("again", "a"), ("other", "b")):
        np.random.seed(len(drawn))
        torch.manual_seed(len(drawn))
        recipe = Lines(name=name)
        Training(recipe, tmp_path / key, CPU).train()
        drawn[key] = recipe.drawn
    assert same(drawn["first"], drawn["again"])
    for step in range(7):
        assert not same(drawn["first"][step][0], drawn["other"][step][0])
        assert drawn["first"][step][3] != drawn["first"][step - 1][3]
    assert same(draw_of("a", 3, CPU).normal(8, 3), drawn["first"][3][0])


def test_the_rate_rises_and_falls_by_hand():
    # Of 100 steps 3 warm up; then half a cosine from 1 down to 0.02 over 97.
    assert [rate(step, 100) for step in range(4)] == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0])
    assert rate(99, 100) == pytest.approx(0.02 + 0.49 * (1 + math.cos(math.pi * 96 / 97)))
    assert rate(100, 100) == pytest.approx(0.02)
    assert rate(515, 1000) == pytest.approx(0.51)
    assert [rate(step, 1) for step in range(2)] == pytest.approx([1.0, 1.0])
    rates = [rate(step, 300) for step in range(8, 300)]
    assert rates == sorted(rates, reverse=True)
