"""Registrations by outcome, so that planned = ok + failed + unknown + not started, and none is unaccounted for.

A registration's outcome is its best answer: acknowledged once is acknowledged. An intent without an answer is unknown:
the worker wrote it before it sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from harness.judge.doubts import lost_workers
from harness.judge.latency import by_phase
from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.record.reader import Record
from harness.record.schema import REGISTER, Intent, Outcome, Trailer

BEST: tuple[Outcome, ...] = ("ok", "unknown", "failed")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Every intended registration's outcome, by its number; `unanswered` are those without any answer in the record."""

    by_number: Mapping[int, Outcome]
    unanswered: frozenset[int]

    def count(self, outcome: Outcome) -> int:
        return sum(1 for each in self.by_number.values() if each == outcome)


def outcomes(record: Record) -> Outcomes:
    """From the intents and the requests of the registering step."""
    rows = registering(record)
    answered: dict[int, Outcome] = {}
    for outcome in reversed(BEST):
        numbers = rows.loc[(rows["outcome"] == outcome) & rows["n"].notna(), "n"]
        answered.update(dict.fromkeys(numbers.astype(int).tolist(), outcome))
    intended = {row.n for row in record.rows(Intent)}
    unanswered = frozenset(intended - answered.keys())
    return Outcomes({**dict.fromkeys(unanswered, "unknown"), **answered}, unanswered)


def registering(record: Record) -> pd.DataFrame:
    """The requests that register a tenant."""
    requests = record.requests
    return requests[requests["step"] == REGISTER]


def registrations(record: Record) -> list[Finding]:
    """The counts over the run, and those of the answers by phase. A Locust file of the user's own registers nobody
    that the harness knows of."""
    found = outcomes(record)
    trailers = record.rows(Trailer)
    planned = _planned(record, found)
    not_started = sum(row.not_started for row in trailers)
    missing = lost_workers(record)
    if not found.by_number and record.plan.scenario.load.locustfile is not None:
        return []
    if not found.by_number:
        missing = [*missing, "no registration was sent"]
    whole = [
        _count("registrations_ok", "Registrations acknowledged", found.count("ok"), planned, str(planned), missing),
        _count("registrations_failed", "Registrations failed", found.count("failed"), planned, "0", missing, record),
        _count(
            "registrations_unknown",
            "Registrations with unknown outcome",
            found.count("unknown"),
            planned,
            "0",
            missing,
            record,
        ),
        _count("registrations_not_started", "Registrations not started", not_started, planned, "0", missing),
        _unaccounted(found, planned, not_started, missing),
    ]
    return [*whole, *_by_phase(record)]


def _planned(record: Record, found: Outcomes) -> int:
    """What the scenario asks for; where a duration ends the load, what was begun."""
    return record.plan.scenario.load.registrations or len(found.by_number)


def _count(
    name: str, title: str, value: int, planned: int, expected: str, missing: list[str], record: Record | None = None
) -> Finding:
    facts = _errors(record, name.removeprefix("registrations_")) if record and value else []
    return Finding(
        name=name,
        title=title,
        value=None if missing and not value else value,
        n=planned,
        expected=expected,
        section="success",
        missing=missing,
        at_least=bool(missing),
        evidence=facts,
        evidence_total=len(facts),
    )


def _errors(record: Record, outcome: str) -> list[Evidence]:
    """The answers that came, grouped by status and error, most frequent first."""
    rows = registering(record)
    rows = rows[rows["outcome"] == outcome]
    groups = Counter(
        zip(rows["status"].fillna(0).astype(int).tolist(), rows["error"].astype(str).tolist(), strict=True)
    )
    return [
        Evidence(
            text=f"{count} x {f'status {status}' if status else 'no answer'}: {error[:200]}",
            source="load",
        )
        for (status, error), count in groups.most_common(10)
    ]


def _unaccounted(found: Outcomes, planned: int, not_started: int, missing: list[str]) -> Finding:
    """Planned ones that are neither begun nor said to be not started, and begun ones that were never planned.

    Without every worker's last word nobody can say how many were not started: unknown, and no fault of the target.
    """
    left = planned - len(found.by_number) - not_started
    facts = [
        Evidence(text=f"planned {planned}, begun {len(found.by_number)}, not started {not_started}", source="load")
    ]
    return counted(
        "registrations_unaccounted",
        "Registrations unaccounted for",
        facts if left or missing else [],
        n=planned,
        section="success",
        missing=missing,
        value=0 if missing else abs(left),
    )


def _by_phase(record: Record) -> list[Finding]:
    findings = []
    for phase, rows in by_phase(record, registering(record)):
        if phase == "all":
            continue
        for outcome in BEST:
            value = int((rows["outcome"] == outcome).sum())
            findings.append(
                Finding(
                    name=f"registrations_{outcome}",
                    title=f"Registrations {outcome} {phase} the faults",
                    value=value if len(rows) else None,
                    n=len(rows),
                    section="success",
                    phase=phase,
                    missing=lost_workers(record) or ([] if len(rows) else [f"no registration {phase} the faults"]),
                    at_least=True,
                )
            )
    return findings
