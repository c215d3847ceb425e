"""What keeps a run from being a pass, whatever its gates say: it did not end as it should, or evidence is lost."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.generator import limited
from harness.judge.model import Finding
from harness.record.reader import Record
from harness.record.schema import REGISTER, FinalRead, Health, Opened, Trailer, WireEnd


def doubts(record: Record, findings: Sequence[Finding]) -> list[str]:
    """The reasons, in sentences; none for a run that is whole."""
    return [
        *_ending(record),
        *_observed(record),
        *_load(record),
        *_faults(findings),
        *_wire(record),
        *_reading(record),
    ]


def lost_workers(record: Record) -> list[str]:
    """Load workers without a trailer: what they sent at the end is not known."""
    processes = record.plan.scenario.load.generators
    lost = processes - len({row.worker for row in record.rows(Trailer)})
    return [f"{lost} of {processes} load workers left no trailer"] if lost > 0 else []


def _ending(record: Record) -> list[str]:
    if record.end is None:
        return ["the run was killed: there is no end.json"]
    if record.end.reason != "completed":
        return [f"the run ended early ({record.end.reason}): {record.end.detail or 'no reason told'}"]
    return []


def _observed(record: Record) -> list[str]:
    """The last health check follows the samples that count: without it nobody knows what they would have shown."""
    whole = record.end is not None and record.end.reason == "completed"
    if whole and not any(row.why == "end" for row in record.rows(Health)):
        return ["the observers left no last word: what was there at rest is not known"]
    return []


def _load(record: Record) -> list[str]:
    requests = record.requests
    limit = limited(record)
    found = [*lost_workers(record), *([limit] if limit else [])]
    if not len(requests):
        return [*found, "no request was sent"]
    own = record.plan.scenario.load.locustfile is not None
    counts = requests["outcome"] == "ok" if own else (requests["step"] == REGISTER) & (requests["outcome"] == "ok")
    if not counts.any():
        return [*found, "no request was acknowledged" if own else "no registration was acknowledged"]
    return found


def _faults(findings: Sequence[Finding]) -> list[str]:
    return [
        fact.text
        for finding in findings
        if finding.name in ("faults_unseen", "faults_unhealed") and finding.value
        for fact in finding.evidence
    ]


def _wire(record: Record) -> list[str]:
    """A proxy that was killed lost what it had not written: an attempt too many, say."""
    if record.rows(Opened) and not record.rows(WireEnd):
        return ["the fault proxy left no last word: what went over the wire at the end is not known"]
    return []


def _reading(record: Record) -> list[str]:
    if not record.rows(FinalRead):
        return ["there was no final read, or it was not finished"]
    torn = record.torn
    return [f"{len(torn)} lines could not be read, the first in {torn[0].file}, line {torn[0].line}"] if torn else []
