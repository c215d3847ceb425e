"""Faults: each planned one must be seen to take effect from outside, and must be seen to be gone again."""

from __future__ import annotations

from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.record.reader import Record
from harness.record.schema import Fault


def faults(record: Record) -> list[Finding]:
    """`faults_unseen` and `faults_unhealed`, each with the occurrences."""
    states: dict[str, set[str]] = {}
    last: dict[str, Fault] = {}
    for row in record.rows(Fault):
        states.setdefault(row.fault, set()).add(row.state)
        last[row.fault] = row
    planned = len(record.plan.scenario.faults)
    missing = ["no fault of the scenario left a row"] if planned and not states else []
    unseen = [_unseen(last[fault], found) for fault, found in states.items() if "seen" not in found]
    unhealed = [
        _fact(last[fault], "was not seen to be gone after it was healed")
        for fault, found in states.items()
        if "injected" in found and "seen_healed" not in found
    ]
    idle = "" if planned else "the scenario plans no fault"
    return [
        counted(
            "faults_unseen",
            "Faults not seen to take effect",
            unseen,
            n=len(states),
            section="run",
            missing=missing,
            not_applicable=idle,
        ),
        counted(
            "faults_unhealed",
            "Faults not seen to be gone",
            unhealed,
            n=len(states),
            section="run",
            missing=missing,
            not_applicable=idle,
        ),
    ]


def _unseen(row: Fault, states: set[str]) -> Evidence:
    if "refused" in states:
        return _fact(row, "was refused")
    if "injected" not in states:
        return _fact(row, "never began: the load ended first")
    return _fact(row, "was injected but not seen to take effect")


def _fact(row: Fault, what: str) -> Evidence:
    return Evidence(
        text=f"{row.fault} {what}" + (f": {row.detail}" if row.detail else ""),
        source="conductor.jsonl",
        at_ns=row.at_ns,
    )
