"""This run beside the one before it of the same scenario, and beside the Phase 1 report where that is the scenario."""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.model import Verdict
from harness.report import reference
from harness.report.ledgers import Claim
from harness.report.past import PastRun

COMPARED = (
    "registrations_ok",
    "registrations_failed",
    "registrations_unknown",
    "leaks",
    "unaccounted_connections",
    "crashes",
    "health_failed",
    "lost",
    "orphans",
    "redis_reconnects",
    "time_to_recover",
    "register_avg_ms",
    "register_p50_ms",
    "register_p95_ms",
    "register_max_ms",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A figure before and now. `unit` is that of both; `note` says what else is known of before."""

    title: str
    before: float | None
    now: float | None
    unit: str = ""
    note: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The lines, and what `before` is."""

    before: str
    same_machine: bool
    lines: list[Line]


def with_previous(verdict: Verdict, runs: list[PastRun], name: str) -> Comparison | None:
    """Beside the newest older run of the scenario in the same folder; null where there is none. `runs` newest first."""
    this = next((run for run in runs if run.name == name), None)
    if this is None:
        return None
    older = [run for run in runs[runs.index(this) + 1 :] if run.scenario == this.scenario and run.figures]
    if not older:
        return None
    lines = []
    for key in COMPARED:
        finding, before = verdict.finding(key), older[0].figures.get(key)
        if finding is not None and (finding.value is not None or before is not None):
            lines.append(Line(title=finding.title, before=before, now=finding.value, unit=finding.unit, finding=key))
    return Comparison(before=older[0].name, same_machine=older[0].machine == this.machine, lines=lines)


def with_phase1(verdict: Verdict, scenario: str, duration_s: float | None, claims: list[Claim]) -> Comparison | None:
    """Beside the Phase 1 report's own figures; null for another scenario."""
    if scenario != reference.SCENARIO:
        return None
    last = claims[-1] if claims else None
    computed = {
        "Total duration": duration_s,
        "Clients created": last.created if last else None,
        "Clients cached": last.cached if last else None,
        "Clients closed": last.closed if last else None,
        "Clients evicted": last.evicted if last else None,
    }
    lines = []
    for item in reference.PHASE1:
        finding = verdict.finding(item.finding) if item.finding else None
        now = finding.value if finding else computed.get(item.metric)
        lines.append(
            Line(
                title=item.metric,
                before=item.reported,
                now=now,
                unit=item.unit,
                note=item.before,
                finding=item.finding if finding else "",
            )
        )
    return Comparison(before="the Phase 1 report, 30 December 2025", same_machine=False, lines=lines)
