"""The claimed ledger at rest: what the target's own statistics said last before the final read."""

from __future__ import annotations

from itertools import pairwise

from harness.judge.windows import phase_began, rest_ended, windows
from harness.record.reader import Record
from harness.record.schema import Process, Statistics


def quiet(record: Record) -> Statistics | None:
    """The last sample before the final read; null where none was taken since the load ended."""
    until_ns, since_ns = rest_ended(record), phase_began(record, "settle")
    if since_ns is None:
        return None
    last = record.last(Statistics, before_ns=until_ns)
    return last if last is not None and last.at_ns >= since_ns else None


def claims(record: Record) -> list[Statistics]:
    """Every sample before the final read, without its list of tenants."""
    until_ns = rest_ended(record)
    return [row for row in record.scalars(Statistics) if row.at_ns < until_ns]


def lacking(record: Record) -> str:
    """Why there is no claim at rest; empty where there is one."""
    if record.plan.target.statistics is None:
        return "the target has no connection statistics"
    return "" if quiet(record) else "no connection statistics after the load"


def potential_leaks(row: Statistics) -> int | None:
    """The formula: created - closed - cached. Never clamped: below zero the ledger does not add up."""
    if row.created is None or row.closed is None or row.cached is None:
        return None
    return row.created - row.closed - row.cached


def restarted_between(record: Record, begin_ns: int, end_ns: int) -> bool:
    """Whether another process may have taken the backend's place between two moments: the samples show another pid, or
    that it was dead in between (a container tells no pid while it starts), or a fault was on it."""
    rows = [(row.at_ns, row.pid, row.alive) for row in record.rows(Process) if row.process == "backend"]
    changes = [(first[0], then[0]) for first, then in pairwise(rows) if first[1:] != then[1:]]
    broken = [window.span for window in windows(record, "backend")]
    return any(first_ns <= end_ns and begin_ns <= then_ns for first_ns, then_ns in [*changes, *broken])
