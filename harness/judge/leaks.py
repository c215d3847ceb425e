"""Potential leaks by the formula created - closed - cached, from the claimed ledger at rest.

Where the target has no statistics, connections that the server ledger alone proves to be abandoned take its place:
a leak gate never passes because nobody could look.
"""

from __future__ import annotations

from dataclasses import replace

from harness.judge.abandoned import abandoned
from harness.judge.claims import claims, lacking, potential_leaks, quiet
from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.record.reader import Record
from harness.record.schema import Statistics

SOURCE = "observe.jsonl"


def leaks(record: Record) -> list[Finding]:
    """`leaks` at rest, and `leaks_worst` at any moment: clients on their way out count there."""
    if record.plan.target.statistics is None:
        return [_from_server(record), replace(_nothing("leaks_worst"), not_applicable=lacking(record))]
    last = quiet(record)
    value = potential_leaks(last) if last else None
    if last is None or value is None:
        return [
            _nothing("leaks", lacking(record) or INCOMPLETE),
            _nothing("leaks_worst", lacking(record) or INCOMPLETE),
        ]
    return [_finding("leaks", value, last), _worst(record)]


INCOMPLETE = "the statistics lack created, closed or cached"
TITLES = {"leaks": "Potential leaks", "leaks_worst": "Potential leaks, worst moment"}


def _worst(record: Record) -> Finding:
    known = [(value, row) for row in claims(record) if (value := potential_leaks(row)) is not None]
    value, row = max(known, key=lambda item: item[0])
    return replace(_finding("leaks_worst", value, row), n=len(known), expected="")


def _finding(name: str, value: int, row: Statistics) -> Finding:
    text = (
        f"created {row.created} - closed {row.closed} - cached {row.cached} = {value}"
        f" after {row.registrations_done} registrations"
    )
    return Finding(
        name=name,
        title=TITLES[name],
        value=value,
        n=1,
        expected="0",
        section="connections",
        evidence=[Evidence(text=text, source=SOURCE, at_ns=row.at_ns)],
        evidence_total=1,
    )


def _from_server(record: Record) -> Finding:
    found = abandoned(record)
    return counted(
        "leaks",
        "Leaked connections, by the server's ledger alone",
        [item.evidence() for item in found.connections],
        n=found.looked_at,
        section="connections",
        missing=found.missing,
    )


def _nothing(name: str, *missing: str) -> Finding:
    return Finding(
        name=name, title=TITLES[name], value=None, expected="0", section="connections", missing=list(missing)
    )
