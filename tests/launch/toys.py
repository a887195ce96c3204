"""Classes that configs in these tests name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

if TYPE_CHECKING:
    from decimal import Decimal

NOT_CALLABLE = 3


class Toy:
    def __init__(
        self,
        width: int,
        rate: float = 0.5,
        sizes: tuple[int, ...] = (1, 2),
        kind: Literal["round", "square"] = "round",
        folder: Path | None = None,
        step: float | Tensor = 1.0,
        inner: "Toy | None" = None,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.95),
        names: Sequence[str] = (),
        unknown: "Decimal | None" = None,
    ):
        self.width, self.rate, self.sizes, self.kind, self.inner = width, rate, sizes, kind, inner


class Open:
    def __init__(self, **anything: Any):
        self.anything = anything


def changed(value: int, change: Callable[[int], int] = abs) -> int:
    return change(value)


def doubled(value: int, factor: int = 2) -> int:
    return value * factor
