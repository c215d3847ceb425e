"""Gates as scenario files write them: a bound on a finding, three-valued when it is ruled.

`leaks = 0` is an upper bound; `registrations_ok = ">= 20"` says its own comparison; a table adds the phase:
`register_p95_ms = { bound = "< 2000", phase = "after" }`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import AfterValidator

from harness.tomlfile import Strict

Phase = Literal["all", "before", "during", "after"]

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_BOUND = re.compile(r"\s*(<=|>=|==|<|>)\s*(-?\d+(?:\.\d+)?)\s*(ms|s|%)?\s*$")


class Ruling(IntEnum):
    """Pass, unknown, fail: the worst wins, so `max` composes them."""

    PASS = 0
    UNKNOWN = 1
    FAIL = 2

    @property
    def word(self) -> str:
        return self.name.lower()


def _readable(text: str) -> str:
    if not _BOUND.match(text):
        raise ValueError("is no bound; write a number (at most that), or '< 2000', '>= 20', '== 0'")
    return text


BoundText = Annotated[str, AfterValidator(_readable)]


class PhasedBound(Strict):
    """A bound for one phase of the run: before the first fault, during faults, or after the last healing."""

    bound: int | float | BoundText
    phase: Phase = "all"


GateBound = int | float | BoundText | PhasedBound


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """`finding comparison bound` in a phase."""

    finding: str
    comparison: str
    bound: float
    phase: Phase = "all"

    @staticmethod
    def of(finding: str, written: GateBound) -> Gate:
        """The gate that a scenario's line means. A bare number is an upper bound."""
        phased = written if isinstance(written, PhasedBound) else PhasedBound(bound=written)
        if not isinstance(phased.bound, str):
            return Gate(finding=finding, comparison="<=", bound=float(phased.bound), phase=phased.phase)
        match = _BOUND.match(phased.bound)
        assert match, "validated when the scenario was read"
        return Gate(finding=finding, comparison=match[1], bound=float(match[2]), phase=phased.phase)

    def holds(self, value: float) -> bool:
        return _COMPARISONS[self.comparison](value, self.bound)

    def __str__(self) -> str:
        phase = "" if self.phase == "all" else f" ({self.phase})"
        return f"{self.finding} {self.comparison} {self.bound:g}{phase}"
