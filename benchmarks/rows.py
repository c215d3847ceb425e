"""What a benchmark yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """One figure: a median where `n` is above 1. `goal` is the bound it should keep; `note` says why a value is nan."""

    name: str
    value: float
    unit: str
    n: int
    goal: float | None
    better: Literal["lower", "higher"]
    note: str = ""

    @property
    def reached(self) -> bool | None:
        if self.goal is None or self.value != self.value:
            return None
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal
