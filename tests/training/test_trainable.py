from functools import partial

import pytest
import torch
from torch import nn

from anyany.training.module import TrainingModule
from anyany.training.trainable import Trains, check_taken, counted, hold_back, parameter_groups, train_but_frozen


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoders = nn.ModuleDict({"bind": nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))})
        self.projectors = nn.ModuleDict({"linear": nn.Linear(3, 2), "other": nn.Linear(3, 2)})
        self.llm = nn.Module()
        self.llm.base = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1))
        self.llm.dropout = nn.Dropout(0.1)
        self.llm.added = nn.Parameter(torch.ones(2))


TRAINS = {"projectors": Trains("projectors.*", 0.1), "tokens": Trains("llm.added", 0.01, from_step=2)}


def test_groups_hold_what_the_patterns_fit_and_all_else_is_frozen():
    model = Model()
    projectors, tokens = parameter_groups(model, TRAINS)
    assert [id(p) for p in projectors["params"]] == [id(p) for p in model.projectors.parameters()]
    assert [id(p) for p in tokens["params"]] == [id(model.llm.added)]
    assert not projectors["by_adam"]
    (by_adam,) = parameter_groups(Model(), {"tokens": Trains("llm.added", 0.01, by_adam=True)})
    assert by_adam["by_adam"]
    assert (projectors["lr"], tokens["lr"], projectors["from_step"], tokens["from_step"]) == (0.1, 0.01, 0, 2)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"llm.added", *(f"projectors.{n}.{p}" for n in ("linear", "other") for p in ("weight", "bias"))}
    assert counted(model.parameters()) == (12 + 2 * 8 + 6 + 2, 2 * 8 + 2)


def test_an_entry_decays_by_its_own_rate():
    """Weights without a gradient shrink by learning rate times decay; another entry has the optimizer's decay."""
    model = Model()
    own = TRAINS | {"projectors": Trains("projectors.*", 0.1, weight_decay=3.0)}
    optimizer = torch.optim.AdamW(parameter_groups(model, own), weight_decay=0.5)
    check_taken(optimizer)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    optimizer.step()
    factors = {"projectors": 1 - 0.1 * 3.0, "llm.added": 1 - 0.01 * 0.5}
    for name, parameter in model.named_parameters():
        factor = next((f for prefix, f in factors.items() if name.startswith(prefix)), 1.0)
        torch.testing.assert_close(parameter.detach(), before[name] * factor)


def test_a_decay_that_the_optimizer_does_not_know_is_refused():
    groups = parameter_groups(Model(), {"tokens": Trains("llm.added", 0.01, weight_decay=0.1)})
    with pytest.raises(ValueError, match=r"stage.trains.tokens.weight_decay is 0.1 and Rprop has none; make it null"):
        check_taken(torch.optim.Rprop(groups))


def test_a_pattern_that_fits_nothing_is_refused():
    with pytest.raises(ValueError, match=r"stage.trains.lora: no parameter fits 'llm.lora\*'; the model has encoders"):
        parameter_groups(Model(), {"lora": Trains("llm.lora*", 0.1)})


def test_a_parameter_of_two_entries_is_refused():
    wide = TRAINS | {"llm": Trains("llm.*", 0.1)}
    with pytest.raises(ValueError, match=r"stage.trains.llm and stage.trains.tokens both train llm.added"):
        parameter_groups(Model(), wide)


def test_what_is_frozen_stays_in_eval_mode():
    model = Model()
    module = TrainingModule(model, partial(torch.optim.SGD, lr=1.0), TRAINS)
    for _ in range(2):
        module.train()
        assert {name for name, m in model.named_modules() if not m.training} == {
            "encoders", "encoders.bind", "encoders.bind.0", "encoders.bind.1", "llm.base", "llm.base.0", "llm.base.1",
        }  # fmt: skip
        assert model.llm.dropout.training  # it has no parameters: it follows what it is part of
        module.eval()
        assert not any(m.training for m in model.modules())
    train_but_frozen(model.requires_grad_(False))
    assert not any(m.training for m in model.modules())


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_before_its_step_nothing_of_a_group_changes(kind):
    model = Model()
    optimizer = kind(parameter_groups(model, TRAINS), weight_decay=0.5)
    tokens, weight = [], []
    for step in range(4):
        sum(p.square().sum() for p in model.parameters()).backward()
        hold_back(optimizer, step)
        optimizer.step()
        optimizer.zero_grad()
        tokens.append(model.llm.added.tolist())
        weight.append(model.projectors["linear"].weight.tolist())
    assert tokens[0] == tokens[1] == [1.0, 1.0]
    assert tokens[1] != tokens[2] != tokens[3]
    assert len({str(w) for w in weight}) == 4


def test_a_group_that_begins_late_begins_as_if_there_had_been_no_step_before():
    late, fresh = Model(), Model()
    optimizer = torch.optim.AdamW(parameter_groups(late, {"tokens": Trains("llm.added", 0.01, from_step=3)}))
    same = torch.optim.AdamW(parameter_groups(fresh, {"tokens": Trains("llm.added", 0.01)}))
    for step in range(4):
        late.llm.added.square().sum().backward()
        hold_back(optimizer, step)
        optimizer.step()
        optimizer.zero_grad()
    fresh.llm.added.square().sum().backward()
    same.step()
    assert torch.equal(late.llm.added, fresh.llm.added)
