"""Gates as scenario files write them: a bound on a finding, three-valued when it is ruled.

`leaks = 0` is an upper bound; `registrations_ok = ">= 20"` says its own comparison; a table adds the phase:
`register_p95_ms = { bound = "< 2000", phase = "after" }`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from harness.tomlfile import Strict

Phase = Literal["all", "before", "during", "after"]

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_BOUND = re.compile(r"\s*(<=|>=|==|<|>)\s*(-?\d+(?:\.\d+)?)\s*$")


class Ruling(IntEnum):
    """Pass, unknown, fail: the worst wins, so `max` composes them."""

    PASS = 0
    UNKNOWN = 1
    FAIL = 2

    @property
    def word(self) -> str:
        return self.name.lower()


def _readable(written: object) -> int | float | str:
    """A number or a comparison as it was written; anything else is a mistake."""
    if isinstance(written, int | float) and not isinstance(written, bool):
        return written
    if not isinstance(written, str) or not _BOUND.match(written):
        raise ValueError("is no bound; write a number (at most that), or '< 2000', '>= 20', '== 0'")
    return written


class PhasedBound(Strict):
    """A bound for one phase of the run: before the first fault, during faults, or after the last healing."""

    bound: Annotated[int | float | str, PlainValidator(_readable), WithJsonSchema({"type": ["number", "string"]})]
    phase: Phase = "all"


def _table_or_bound(written: object) -> object:
    return written if isinstance(written, Mapping | PhasedBound) else {"bound": _readable(written)}


GateBound = Annotated[
    PhasedBound,
    BeforeValidator(
        _table_or_bound, json_schema_input_type=float | Annotated[str, Field(pattern=_BOUND.pattern)] | PhasedBound
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """`finding comparison bound` in a phase.

    `by_default` marks the strict gates that hold without being written: they are left out where their finding has no
    meaning in a run (no Redis fault, no reconnecting), while a written gate is then unknown.
    """

    finding: str
    comparison: str
    bound: float
    phase: Phase = "all"
    by_default: bool = False

    @staticmethod
    def of(finding: str, written: int | float | str | PhasedBound, *, by_default: bool = False) -> Gate:
        """The gate that a scenario's line means. A bare number is an upper bound."""
        phased = written if isinstance(written, PhasedBound) else PhasedBound(bound=written)
        comparison, bound = "<=", phased.bound
        if isinstance(bound, str):
            match = _BOUND.match(bound)
            assert match, "validated when the scenario was read"
            comparison, bound = match[1], match[2]
        return Gate(
            finding=finding, comparison=comparison, bound=float(bound), phase=phased.phase, by_default=by_default
        )

    @property
    def is_upper(self) -> bool:
        """Whether more can break it: then a value that is only proven from below can fail it all the same."""
        return self.comparison in ("<=", "<", "==")

    def holds(self, value: float) -> bool:
        return _COMPARISONS[self.comparison](value, self.bound)

    def __str__(self) -> str:
        phase = "" if self.phase == "all" else f" ({self.phase})"
        return f"{self.finding} {self.comparison} {self.bound:g}{phase}"
