"""What a stage trains, from which step on, with which learning rate. All else is frozen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn
from torch.optim import Optimizer


@dataclass(frozen=True)
class Trains:
    """Parameters whose name fits the pattern, ``input_projectors.*`` for instance."""

    parameters: str
    learning_rate: float
    from_step: int = 0
    weight_decay: float | None = None  # None is the optimizer's
    by_adam: bool = False  # whether an optimizer that trains matrices its own way, Muon, leaves these to Adam


def parameter_groups(model: nn.Module, trains: Mapping[str, Trains]) -> list[dict[str, Any]]:
    """A group for each entry, for an optimizer. Parameters that are in none are frozen.

    Raises:
        ValueError: for a pattern that fits nothing, and for a parameter that fits two.
    """
    named = dict(model.named_parameters())
    owners: dict[str, str] = {}
    groups = []
    for entry, rule in trains.items():
        fits = [name for name in named if fnmatchcase(name, rule.parameters)]
        if not fits:
            parts = ", ".join(sorted({".".join(name.split(".")[:2]) for name in named}))
            raise ValueError(f"stage.trains.{entry}: no parameter fits {rule.parameters!r}; the model has {parts}")
        for name in fits:
            if name in owners:
                raise ValueError(
                    f"stage.trains.{entry} and stage.trains.{owners[name]} both train {name}; make one of them narrower"
                )
            owners[name] = entry
        parameters = [named[name] for name in fits]
        groups.append({"params": parameters, "lr": rule.learning_rate, "name": entry, "from_step": rule.from_step})
        groups[-1]["by_adam"] = rule.by_adam
        if rule.weight_decay is not None:
            groups[-1]["weight_decay"] = rule.weight_decay
    for name, parameter in named.items():
        parameter.requires_grad_(name in owners)
    return groups


def check_taken(optimizer: Optimizer) -> None:
    """
    Raises:
        ValueError: where a group has a weight decay and the optimizer knows none; torch would say nothing.
    """
    for group in optimizer.param_groups:
        if "weight_decay" in group and "weight_decay" not in optimizer.defaults:
            name, decay, kind = group["name"], group["weight_decay"], type(optimizer).__name__
            raise ValueError(
                f"stage.trains.{name}.weight_decay is {decay} and {kind} has none; make it null, or use optimizer=adamw"
            )


def hold_back(optimizer: Optimizer, step: int) -> None:
    """Takes the gradients from groups whose time has not come, so that nothing of them changes, moments neither."""
    for group in optimizer.param_groups:
        if step < group.get("from_step", 0):
            for parameter in group["params"]:
                parameter.grad = None


def train_but_frozen(module: nn.Module) -> None:
    """Train mode for all but what has parameters of which none is trained: that stays in eval mode."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        return
    module.training = True
    for child in module.children():
        train_but_frozen(child)


def counted(parameters: Iterable[nn.Parameter]) -> tuple[int, int]:
    """(all, trained) numbers."""
    sizes = [(p.numel(), p.requires_grad) for p in parameters]
    return sum(n for n, _ in sizes), sum(n for n, is_trained in sizes if is_trained)
