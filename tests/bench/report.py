"""A measured figure and what it is held against."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    detail: str = ""

    @property
    def holds(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    def __str__(self) -> str:
        limits = [f">= {self.at_least}"] * (self.at_least is not None) + [f"<= {self.at_most}"] * (
            self.at_most is not None
        )
        wanted = f"(wanted {', '.join(limits)}: {'reached' if self.holds else 'NOT reached'})" if limits else ""
        return f"{self.name:48} {self.value:8.3f} {self.unit:3} {wanted:34} {self.detail}".rstrip()
