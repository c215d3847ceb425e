"""Production readiness and go or no-go, derived from the newest run of each scenario beside this one. Nothing is typed.

An area is ready when every gate on its findings passed, partial when some could not be told, needs work when one
failed, not done when no run asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from harness.gate import Ruling
from harness.report.past import PastRun, latest_by_scenario

State = Literal["ready", "partial", "needs work", "not done"]
Decision = Literal["go", "no-go", "undecided"]

LOAD_TEST_REGISTRATIONS = 100
STATES: dict[Ruling, State] = {Ruling.PASS: "ready", Ruling.UNKNOWN: "partial", Ruling.FAIL: "needs work"}
AREAS: dict[str, tuple[str, ...]] = {
    "Stability": ("crashes", "leaks", "unaccounted_connections", "connection", "memory_", "descriptor_", "thread_"),
    "Error handling": ("lost", "orphans", "ghosts", "duplicates", "corrupted", "service_during_fault", "stale_pool"),
    "Redis resilience": ("redis_", "log_spam"),
    "Monitoring": ("health_", "ledger_mismatch"),
    "Performance": ("time_to_recover", "event_loop_blocked"),
    "API design": ("api_contract",),
    "Security": ("isolation_breaches", "token_breaches", "rate_limit_bypass", "error_details", "own_data_wrong"),
    "Load testing": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One row of the table: its state, and the gates that made it so."""

    name: str
    state: State
    passed: list[str]
    failed: list[str]
    unknown: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """Go or no-go, why, and what to do next."""

    decision: Decision
    reasons: list[str]
    areas: list[Area]
    not_run: list[str]
    runs: list[PastRun] = field(default_factory=list)


def conclusion(runs: list[PastRun], library: Iterable[str]) -> Conclusion:
    """From all runs beside each other (newest first) and the names of the scenario library."""
    latest = list(latest_by_scenario(runs).values())
    not_run = sorted(set(library) - {run.scenario for run in latest})
    decision, reasons = _decided(latest, not_run)
    areas = [_area(name, prefixes, latest) for name, prefixes in AREAS.items()]
    return Conclusion(decision=decision, reasons=reasons, areas=areas, not_run=not_run, runs=latest)


def _decided(latest: list[PastRun], not_run: list[str]) -> tuple[Decision, list[str]]:
    failed = [run for run in latest if run.ruling is Ruling.FAIL]
    untold = [run for run in latest if run.ruling in (Ruling.UNKNOWN, None)]
    reasons = [f"{run.scenario} failed: {'; '.join(run.why[:3])}" for run in failed]
    reasons += [f"{run.scenario} can't be told: {'; '.join(run.why[:3]) or 'it was not judged'}" for run in untold]
    if not_run:
        reasons.append(f"{len(not_run)} scenarios of the library have not been run here: {', '.join(not_run)}")
    if failed:
        return "no-go", reasons
    if untold or not_run or not latest:
        return "undecided", reasons
    return "go", [f"all {len(latest)} scenarios passed"]


def _area(name: str, prefixes: tuple[str, ...], latest: list[PastRun]) -> Area:
    told: dict[Ruling, list[str]] = {ruling: [] for ruling in Ruling}
    for run in latest:
        for finding, ruling in _asked(name, prefixes, run):
            told[ruling].append(f"{finding} in {run.scenario}")
    worst = max((ruling for ruling, names in told.items() if names), default=None)
    return Area(
        name=name,
        state="not done" if worst is None else STATES[worst],
        passed=told[Ruling.PASS],
        failed=told[Ruling.FAIL],
        unknown=told[Ruling.UNKNOWN],
    )


def _asked(name: str, prefixes: tuple[str, ...], run: PastRun) -> list[tuple[str, Ruling]]:
    """The gates of a run that bear on an area. Load counts as tested by a run of enough registrations, as a whole."""
    if name == "Load testing":
        big = (run.planned or 0) >= LOAD_TEST_REGISTRATIONS
        return [(f"{run.planned} registrations", run.ruling)] if big and run.ruling is not None else []
    asked = [(gate.finding, gate.ruling) for gate in run.gates if prefixes and gate.finding.startswith(prefixes)]
    if name == "Performance":
        asked += [(gate.finding, gate.ruling) for gate in run.gates if gate.finding.endswith("_ms")]
    return asked
