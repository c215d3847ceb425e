"""A fault's own parameters: fields of its dataclass, each with its default, what it means and its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from harness.fault_plan import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One parameter as scenario files and `harness faults` know it."""

    name: str
    default: Scalar
    text: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def trouble(self, value: Scalar) -> str:
        """What is wrong with the value, and after a semicolon the remedy; empty where nothing is."""
        if not self._has_kind_of(value):
            return f"is no {_KINDS[type(self.default)]}; write one such as {self.default!r}"
        if self.choices and value not in self.choices:
            return f"is not known; one of {', '.join(self.choices)}"
        if isinstance(value, str):
            return ""
        if self.least is not None and value < self.least:
            return f"is too small; write at least {self.least:g}"
        return f"is too large; write at most {self.most:g}" if self.most is not None and value > self.most else ""

    def _has_kind_of(self, value: Scalar) -> bool:
        if isinstance(self.default, bool) or isinstance(value, bool):
            return isinstance(self.default, bool) and isinstance(value, bool)
        return isinstance(value, (int, float) if isinstance(self.default, float) else type(self.default))


_KINDS: dict[type, str] = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def option(
    default: Any, text: str, *, least: float | None = None, most: float | None = None, choices: Sequence[str] = ()
) -> Any:
    """A field of a fault's dataclass."""
    return field(default=default, metadata={"text": text, "least": least, "most": most, "choices": tuple(choices)})


def options_of(fault: Any) -> list[Option]:
    """The parameters of a fault's class, in the order in which they stand there."""
    return [_option(each) for each in fields(fault) if "text" in each.metadata]


def _option(each: Field[Any]) -> Option:
    default: Any = each.default
    return Option(name=each.name, default=default, **each.metadata)
