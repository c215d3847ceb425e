"""Production readiness and go or no-go, derived from the newest run of each scenario beside this one. Nothing is typed.

An area is ready when every gate that it needs was asked somewhere and passed; partial when some were not asked or could
not be told; needs work when one failed; not done when no run asked.
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
NEEDED: dict[str, tuple[str, ...]] = {
    "Stability": ("crashes", "leaks", "unaccounted_connections", "connection_growth_per_registration", "thread_growth"),
    "Error handling": ("lost", "orphans", "ghosts", "duplicates", "corrupted", "service_during_fault", "stale_pool"),
    "Redis resilience": ("redis_reconnects", "redis_backoff", "redis_announcements", "log_spam", "redis_fallback"),
    "Monitoring": ("health_failed", "health_wrong", "ledger_mismatch"),
    "Performance": ("register_avg_ms", "time_to_recover", "event_loop_blocked"),
    "API design": ("api_contract", "error_details"),
    "Security": ("isolation_breaches", "token_breaches", "rate_limit_bypass", "own_data_wrong"),
}
LOAD_TESTING = "Load testing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One row of the table: its state, and the gates that made it so."""

    name: str
    state: State
    passed: list[str]
    failed: list[str]
    unknown: list[str]
    not_asked: list[str] = field(default_factory=list)


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
    areas = [_area(name, needed, latest) for name, needed in NEEDED.items()]
    areas.append(_load_testing(latest))
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


def _area(name: str, needed: tuple[str, ...], latest: list[PastRun]) -> Area:
    rulings = [(gate, run) for run in latest for gate in run.gates if gate.finding in needed]
    told = {
        ruling: [f"{gate.finding} in {run.scenario}" for gate, run in rulings if gate.ruling is ruling]
        for ruling in Ruling
    }
    asked = {gate.finding for gate, _ in rulings}
    return _stated(name, told, [finding for finding in needed if finding not in asked])


def _load_testing(latest: list[PastRun]) -> Area:
    """By the rulings of runs of enough registrations, as a whole."""
    told: dict[Ruling, list[str]] = {ruling: [] for ruling in Ruling}
    for run in latest:
        if (run.planned or 0) >= LOAD_TEST_REGISTRATIONS and run.ruling is not None:
            told[run.ruling].append(f"{run.planned:,} registrations in {run.scenario}")
    nothing = not any(told.values())
    return _stated(LOAD_TESTING, told, [f"a run of {LOAD_TEST_REGISTRATIONS} registrations"] if nothing else [])


def _stated(name: str, told: dict[Ruling, list[str]], not_asked: list[str]) -> Area:
    worst = max((ruling for ruling, names in told.items() if names), default=None)
    state: State = "not done"
    if worst is Ruling.FAIL:
        state = "needs work"
    elif worst is not None:
        state = "partial" if worst is Ruling.UNKNOWN or not_asked else "ready"
    return Area(
        name=name,
        state=state,
        passed=told[Ruling.PASS],
        failed=told[Ruling.FAIL],
        unknown=told[Ruling.UNKNOWN],
        not_asked=not_asked,
    )
