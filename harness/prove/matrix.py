"""The detection matrix: what each case had to show against what it showed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.prove.catalogue import Catalogue, Defect
from harness.prove.trying import Fired, Tried

State = Literal["detected", "escaped", "wrong finding", "silent", "false alarm", "blind", "broke"]
GOOD: frozenset[State] = frozenset({"detected", "silent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One case of the matrix. `expected` is empty for the healthy backend; `why` says what is wrong, if anything."""

    name: str
    trial: str
    breaks: str
    expected: str
    state: State
    why: str
    fired: tuple[Fired, ...]
    run: str
    took_s: float

    @property
    def good(self) -> bool:
        return self.state in GOOD

    @property
    def catch(self) -> Fired | None:
        """The finding that was to fire, if it did."""
        return next((fired for fired in self.fired if fired.finding == self.expected), None)

    @property
    def besides(self) -> list[str]:
        """What fired besides."""
        return [fired.finding for fired in self.fired if fired.finding != self.expected]


def matrix(catalogue: Catalogue, results: Iterable[Tried]) -> list[Line]:
    """One line a case, in their order."""
    return [_line(catalogue, each) for each in results]


def not_holding(lines: Sequence[Line]) -> list[str]:
    """The lines that keep the proof from holding, each with its state."""
    return [f"{line.name} in {line.trial}: {line.state}, {line.why}" for line in lines if not line.good]


def counted(lines: Sequence[Line]) -> Mapping[str, int]:
    """How many lines are in each state."""
    states = [line.state for line in lines]
    return {state: states.count(state) for state in dict.fromkeys(states)}


def _line(catalogue: Catalogue, result: Tried) -> Line:
    defect = catalogue.defects[result.defect] if result.defect else None
    state, why = _state(catalogue, defect, result)
    return Line(
        name=result.defect or "healthy",
        trial=result.trial,
        breaks=defect.breaks if defect else "nothing: the backend as it should be",
        expected=defect.finding if defect else "",
        state=state,
        why=why,
        fired=result.fired,
        run=result.run,
        took_s=result.took_s,
    )


def _state(catalogue: Catalogue, defect: Defect | None, result: Tried) -> tuple[State, str]:
    if result.reason not in ("completed", "aborted"):
        return "broke", f"{result.reason}: {result.detail}"
    names = [fired.finding for fired in result.fired]
    if defect is None:
        return _healthy(catalogue.expected_in(result.trial), result, names)
    if defect.finding not in names:
        lacking = result.unknown.get(defect.finding)
        passed = "its gate held" if defect.finding in result.passed else "nothing looked for it"
        return "escaped", f"{defect.finding}: {lacking or passed}" + (f"; fired: {', '.join(names)}" if names else "")
    wrong = [name for name in names if name != defect.finding and name not in defect.also]
    return ("wrong finding", f"also fired: {', '.join(wrong)}") if wrong else ("detected", "")


def _healthy(expected: Sequence[str], result: Tried, names: Sequence[str]) -> tuple[State, str]:
    if names:
        return "false alarm", "; ".join(f"{fired.why} {fired.evidence}".strip() for fired in result.fired)
    blind = [name for name in expected if name not in result.passed]
    if blind:
        whys = [f"{name}: {result.unknown.get(name, 'nothing looked for it')}" for name in blind]
        return "blind", "; ".join(whys)
    return "silent", ""
