"""Figures with their uncertainty."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt

Z_95 = 1.959964


@dataclass(frozen=True)
class Figure:
    """A measured value, its 95 % interval, and the number of items behind it."""

    value: float
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 6) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}, n = {self.n})"


def from_json(data: Mapping[str, float]) -> Figure:
    """The inverse of ``as_json``."""
    return Figure(data["value"], data["low"], data["high"], int(data["n"]))


def mean(values: Sequence[float]) -> Figure:
    """The mean of independent values with its normal interval."""
    n = len(values)
    if n < 2:
        raise ValueError(f"{n} values have no interval; give at least two")
    middle = sum(values) / n
    half = Z_95 * sqrt(sum((value - middle) ** 2 for value in values) / (n - 1) / n)
    return Figure(middle, middle - half, middle + half, n)


def share(hits: int, n: int) -> Figure:
    """A share of independent items with its Wilson interval (Wilson 1927), which also holds near 0 and 1."""
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"{hits} hits of {n} items; expected 0 to n of at least one item")
    p, z2 = hits / n, Z_95**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Figure(p, max(min(middle - half, p), 0.0), min(max(middle + half, p), 1.0), n)
