"""The backend's connection attempts to Redis as the wire saw them, and how far apart they came."""

from __future__ import annotations

from dataclasses import dataclass

from harness.clock import NS_PER_MS, NS_PER_S
from harness.record.reader import Record
from harness.record.schema import Closed, Opened
from harness.report.ledgers import REDIS_EDGE
from harness.report.moments import Course
from harness.report.text import clean

ATTEMPTS_SHOWN = 500
ANSWERS = ("reached", "refused", "not told")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One connection that the proxy accepted from the backend. `answer` says whether Redis was behind it, where the
    proxy tells; `since_ms` is the time since the one before ended, or began where its end is not known."""

    number: int
    at_s: float
    since_ms: float | None
    answer: str
    during: str
    ended: str


def attempts(record: Record, course: Course) -> list[Attempt]:
    """In order of time, bounded; each with the faults in force at its moment."""
    rows = [row for row in record.rows(Opened) if row.proxy == REDIS_EDGE and not row.is_a_look][:ATTEMPTS_SHOWN]
    ends = {row.connection: row for row in record.rows(Closed) if row.proxy == REDIS_EDGE}
    return [
        _attempt(number, row, rows[number - 2] if number > 1 else None, ends, course)
        for number, row in enumerate(rows, 1)
    ]


def _attempt(number: int, row: Opened, before: Opened | None, ends: dict[int, Closed], course: Course) -> Attempt:
    at_s = round(row.at_ns / NS_PER_S, 3)
    since_ms = None
    if before is not None:
        end = ends.get(before.connection)
        free_ns = end.at_ns if end is not None and end.at_ns <= row.at_ns else before.at_ns
        since_ms = round((row.at_ns - free_ns) / NS_PER_MS, 1)
    return Attempt(
        number=number,
        at_s=at_s,
        since_ms=since_ms,
        answer=_answer(row),
        during=", ".join(course.faults_between(at_s, at_s)),
        ended=clean(row.error) if row.error else _ended(ends.get(row.connection)),
    )


def _answer(row: Opened) -> str:
    if row.error:
        return ANSWERS[1]
    return ANSWERS[0] if row.upstream_port is not None else ANSWERS[2]


def _ended(end: Closed | None) -> str:
    if end is None:
        return "stayed open"
    carried = (end.bytes_up or 0) + (end.bytes_down or 0)
    return f"closed by {end.by} ({end.how}) after {carried:,} bytes"
