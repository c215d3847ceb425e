"""Whether the backend stood still while it registered: nothing at all was answered, though light requests were waiting.

A slow machine makes every answer late; a blocked event loop makes the whole backend silent. So a stall is a stretch
without any answer, to the load or to the light requests of the observers, during which such a light request was waiting
all the time. One that is short against the light requests' usual time is none (no more than `STALL_TIMES` of it: a busy
machine lengthens the usual time more than it lengthens a stall), and a few of them, which a busy machine brings about,
are no blocked loop: they are counted only from `STALLS_MIN` on, and where they take up `SHARE` of the time in which
registrations were in flight.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.judge.registrations import registering
from harness.judge.windows import merged, overlaps, phase_began, windows
from harness.record.reader import Record
from harness.record.schema import Pulse

STALL_MS = 120
STALL_TIMES = 3
SHARE = 0.15
STALLS_MIN = 5
PULSES_MIN = 10


Span = tuple[int, int]


def event_loop_blocked(record: Record) -> list[Finding]:
    """`event_loop_blocked`: the number of stalls beside registrations."""
    rows = registering(record)
    busy = merged(zip(rows["start_ns"].tolist(), rows["end_ns"].tolist(), strict=True))
    pulses = [row for row in record.rows(Pulse) if row.what == "live" and row.status is not None]
    begins = np.array([row.at_ns for row in pulses], dtype=np.int64)
    ends = np.array([_end(row) for row in pulses], dtype=np.int64)
    beside = [row for row, touched in zip(pulses, overlaps(begins, ends, busy), strict=True) if touched]
    stalls = merged(span for span in _stalls(record, beside, _least_ns(record, pulses)) if not _excused(record, span))
    share = sum(end - begin for begin, end in stalls) / max(1, sum(end - begin for begin, end in busy))
    return [
        counted(
            "event_loop_blocked",
            f"Stalls of the whole backend beside registrations ({share:.0%} of their time)",
            [_fact(span) for span in stalls] if share >= SHARE and len(stalls) >= STALLS_MIN else [],
            n=len(beside),
            section="success",
            missing=[] if pulses else ["no light request was sent"],
            not_applicable=f"fewer than {PULSES_MIN} light requests beside registrations"
            if _few(pulses, beside)
            else "",
        )
    ]


def _few(pulses: Sequence[Pulse], beside: Sequence[Pulse]) -> bool:
    return bool(pulses) and len(beside) < PULSES_MIN


def _end(row: Pulse) -> int:
    return row.at_ns + round(row.duration_ms * NS_PER_MS)


def _least_ns(record: Record, pulses: Sequence[Pulse]) -> int:
    """From which length on silence is a stall: well above what a light request takes while nothing is going on."""
    load_ns, settle_ns = phase_began(record, "load"), phase_began(record, "settle")
    quiet = [
        row.duration_ms
        for row in pulses
        if (load_ns is None or row.at_ns < load_ns) or (settle_ns is not None and row.at_ns >= settle_ns)
    ]
    usual_ms = float(np.median(quiet)) if quiet else 0.0
    return round(max(STALL_MS, STALL_TIMES * usual_ms) * NS_PER_MS)


def _stalls(record: Record, beside: Sequence[Pulse], least_ns: int) -> list[Span]:
    """Stretches between two answers, of whatever kind, that lie within one waiting light request."""
    firsts = record.requests["first_byte_ns"].dropna().to_numpy(dtype=np.int64)
    answered = [_end(row) for row in record.rows(Pulse) if row.status is not None]
    answers = np.sort(np.concatenate([firsts, np.array(answered, dtype=np.int64)]))
    found: list[Span] = []
    for row in [row for row in beside if _end(row) - row.at_ns >= least_ns]:
        end = _end(row)
        inner = answers[(answers > row.at_ns) & (answers < end)]
        edges = np.concatenate([[row.at_ns], inner, [end]])
        longest = int(np.argmax(np.diff(edges)))
        if edges[longest + 1] - edges[longest] >= least_ns:
            found.append((int(edges[longest]), int(edges[longest + 1])))
    return found


def _excused(record: Record, span: Span) -> bool:
    """A backend that is broken on purpose stands still, and one that waits for a broken Postgres may."""
    broken = windows(record, "backend", "postgres", "network")
    return any(window.begin_ns <= span[1] and span[0] < window.end_ns for window in broken)


def _fact(span: Span) -> Evidence:
    took_ms = (span[1] - span[0]) / NS_PER_MS
    text = f"nothing was answered for {took_ms:.0f} ms while registrations were in flight"
    return Evidence(text=text, source="observe.jsonl", at_ns=span[0])
