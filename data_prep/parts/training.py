"""The loop that trains a part: step by step, resumable to the bit, with an average of the weights beside them.

What a step draws follows from the training's name and the step's number alone, so weights, optimizer and step are the
whole state.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim import Optimizer

from anyany.faults import UserError
from anyany.files import whole
from anyany.ops.muon import Muon
from anyany.seeds import rng_of, seed_of

SAVE_EVERY_S = 60.0
WARMUP = 0.03  # of the steps
LAST_RATE = 0.02  # of the highest
MAX_GRAD_NORM = 1.0
AVERAGED_OVER = 200  # steps, about, that the averaged weights remember


@dataclass(frozen=True)
class Draw:
    """All that is random in one step."""

    rng: np.random.Generator  # for data, names and words
    generator: torch.Generator  # for noise, on the CPU, so that a GPU draws the same
    device: torch.device

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator).to(self.device)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator).to(self.device)

    def integers(self, high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=self.generator).to(self.device)


class Recipe(Protocol):
    """One training of a part."""

    name: str  # of the folder of its state
    module: nn.Module  # its parameters with a gradient are trained
    steps: int
    learning_rate: float
    identity: str  # changes with all that decides the result, code aside
    ends: tuple[str, ...] | None = None  # the first and last layers' names, where Muon trains what is between

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        """The loss terms of one batch, to be added."""
        ...


def draw_of(name: str, step: int, device: torch.device) -> Draw:
    seed = seed_of("parts", name, step)
    return Draw(rng_of("parts", name, step), torch.Generator().manual_seed(seed), device)


class Training:
    """A recipe at work. ``train`` goes on from what its folder holds.

    Args:
        work: where its state is kept, under the recipe's name.
        bf16: whether matrix products are rounded to bfloat16; weights stay in fp32.
    """

    def __init__(self, recipe: Recipe, work: Path, device: torch.device, bf16: bool = False):
        self.recipe, self.device, self.bf16 = recipe, device, bf16
        self.path = work / recipe.name / "state.pt"
        self.module = recipe.module.to(device)
        named = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
        self.parameters = list(named.values())
        self.optimizer = optimizer_of(named, recipe)
        self.average = [p.detach().clone() for p in self.parameters]
        self.step, self.seconds = 0, 0.0

    def train(self) -> float:
        """Trains to the recipe's last step, then leaves the averaged weights in the module, in eval mode.

        Returns:
            The seconds that all of it took, stops aside.
        """
        self.load()
        if self.step < self.recipe.steps:
            self._train()
        for parameter, average in zip(self.parameters, self.average, strict=True):
            parameter.data.copy_(average)
        self.module.eval()
        return self.seconds

    def _train(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[told]}")) as progress:
            task = progress.add_task(self.recipe.name, total=self.recipe.steps, completed=self.step, told="")
            begun, saved, before = time.perf_counter(), time.perf_counter(), self.seconds
            smooth: dict[str, float] = {}
            while self.step < self.recipe.steps:
                terms = self.one_step()
                smooth = {name: 0.98 * smooth.get(name, value) + 0.02 * value for name, value in terms.items()}
                now = time.perf_counter()
                self.seconds = before + now - begun
                told = " ".join(f"{name} {value:.4g}" for name, value in smooth.items())
                progress.update(task, completed=self.step, told=told)
                if now - saved > SAVE_EVERY_S or self.step == self.recipe.steps:
                    self.save()
                    saved = now
                    if not progress.console.is_terminal:  # a bar would show nothing before the end
                        progress.console.print(f"{self.recipe.name} {self.step}/{self.recipe.steps} {told}")

    def one_step(self) -> dict[str, float]:
        """One update; returns the loss terms."""
        self.module.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * rate(self.step, self.recipe.steps)
        draw = draw_of(self.recipe.name, self.step, self.device)
        torch.manual_seed(draw.generator.initial_seed())  # for dropout, which asks no generator
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            terms = self.recipe.loss(draw)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise FloatingPointError(f"{self.recipe.name}: loss {loss.item()} at step {self.step}")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, MAX_GRAD_NORM)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, list(map(Tensor.detach, self.parameters)), self._pace())
        self.step += 1
        return {name: term.item() for name, term in terms.items()}

    def _pace(self) -> float:
        """Of the average towards the weights: at first it is their plain mean."""
        return 1 / min(self.step + 1, AVERAGED_OVER)

    def save(self) -> None:
        """Whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole(self.path) as temporary:
            torch.save(self.state(), temporary)

    def state(self) -> dict[str, Any]:
        return {
            "identity": self.recipe.identity,
            "step": self.step,
            "seconds": self.seconds,
            "parameters": [p.detach() for p in self.parameters],
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }

    def load(self) -> None:
        """Takes up the saved state, where there is one.

        Raises:
            UserError: for a state that another recipe left.
        """
        if not self.path.exists():
            return
        state = torch.load(self.path, map_location=self.device, weights_only=True)
        if state["identity"] != self.recipe.identity:
            raise UserError(
                f"{self.path} was left by another recipe ({state['identity']}, now {self.recipe.identity}); "
                "delete it, or give another --work, to begin anew"
            )
        self.step, self.seconds = state["step"], state["seconds"]
        for parameter, value in zip(self.parameters, state["parameters"], strict=True):
            parameter.data.copy_(value)
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])


def optimizer_of(named: Mapping[str, nn.Parameter], recipe: Recipe) -> Optimizer:
    options: dict[str, Any] = {"lr": recipe.learning_rate, "betas": (0.9, 0.98), "weight_decay": 0.01}
    if recipe.ends is None:
        return torch.optim.AdamW(named.values(), **options)
    groups: dict[str, list[nn.Parameter]] = {"between": [], "ends": []}
    for name, parameter in named.items():
        groups["ends" if any(end in name for end in recipe.ends) else "between"].append(parameter)
    return Muon([{"params": some, "by_adam": name == "ends"} for name, some in groups.items()], **options)


def rate(step: int, steps: int) -> float:
    """Factor on the learning rate: a linear rise, then half a cosine down."""
    warmup = max(round(WARMUP * steps), 1)
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(steps - warmup, 1)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done))
