"""Whether the backend lived and said that it was well."""

from __future__ import annotations

from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.judge.windows import windows
from harness.record.reader import Record
from harness.record.schema import Health, Note, Process


def crashes(record: Record) -> list[Finding]:
    """`crashes`: the backend ended while no fault was on it."""
    facts = [
        Evidence(text=row.text, source="conductor.jsonl", at_ns=row.at_ns)
        for row in record.rows(Note)
        if row.subject == "crash"
    ]
    seen = [row for row in record.rows(Process) if row.process == "backend"]
    missing = [] if seen or facts else ["nobody watched the backend's process"]
    return [counted("crashes", "Backend crashes", facts, n=len(seen), section="success", missing=missing)]


def health(record: Record) -> list[Finding]:
    """`health_failed`: health checks without a good answer, while neither Postgres nor the backend was broken."""
    asked = record.plan.scenario.health
    rows = [row for row in record.rows(Health) if row.endpoint == record.plan.target.health.check]
    broken = windows(record, "postgres", "backend", "client")
    bad = [row for row in rows if not row.ok and not any(window.covers(row.at_ns) for window in broken)]
    never = "" if asked.every_registrations or asked.every_s else "the scenario asks for no health checks"
    return [
        counted(
            "health_failed",
            "Health checks failed",
            [_fact(row) for row in bad],
            n=len(rows),
            section="success",
            missing=[] if rows or never else ["no health check was made"],
            not_applicable="" if rows else never,
        )
    ]


def _fact(row: Health) -> Evidence:
    answer = f"status {row.status}" if row.status else row.error or "no answer"
    return Evidence(
        text=f"{row.endpoint} after {row.registrations_done} registrations: {answer} in {row.duration_ms:.0f} ms",
        source="conductor.jsonl",
        at_ns=row.at_ns,
    )
