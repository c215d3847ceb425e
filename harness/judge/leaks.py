"""Potential leaks by the report's formula, from the claimed ledger: created - closed - cached."""

from __future__ import annotations

from harness.judge.model import Evidence, Finding
from harness.record.reader import Record
from harness.record.schema import Statistics


def potential(row: Statistics) -> int | None:
    if row.created is None or row.closed is None or row.cached is None:
        return None
    return row.created - row.closed - row.cached


def leaks(record: Record) -> list[Finding]:
    samples = [(row, value) for row in record.rows(Statistics) if (value := potential(row)) is not None]
    if not samples:
        return [
            Finding(name=name, title=title, value=None, expected="0", section="connections", missing=["no connection statistics"])
            for name, title in (("leaks", "Potential leaks"), ("leaks_worst", "Potential leaks, worst moment"))
        ]
    last, value = samples[-1]
    worst_row, worst = max(samples, key=lambda item: item[1])
    text = f"created {last.created} - closed {last.closed} - cached {last.cached} = {value}"
    return [
        Finding(name="leaks", title="Potential leaks", value=value, n=len(samples), expected="0", section="connections",
                evidence=[Evidence(text=text, source="observe.jsonl", at_ns=last.at_ns)], evidence_total=1),
        Finding(name="leaks_worst", title="Potential leaks, worst moment", value=worst, n=len(samples), expected="0", section="connections",
                evidence=[Evidence(text=f"after {worst_row.registrations_done} registrations", source="observe.jsonl", at_ns=worst_row.at_ns)], evidence_total=1),
    ]
