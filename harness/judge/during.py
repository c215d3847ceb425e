"""Whether the service was kept while something broke that it must do without, and whether it exhausted its server."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from harness.clock import NS_PER_MS, NS_PER_S
from harness.judge.latency import Milliseconds, nearest_rank
from harness.judge.logs import lines_with
from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.judge.windows import overlaps, spans
from harness.record.reader import Record
from harness.record.schema import Gap

HELD_UP_MS = 5000
HELD_UP_TIMES = 10
AT_ONCE_MS = 100
TOLD = ("step", "tenant", "outcome", "start_ns", "end_ns", "error")
NEEDED = ("postgres", "backend", "client", "network")
NO_SLOT = re.compile(r"too many clients already|remaining connection slots|TooManyConnectionsError|\b53300\b")
SLOTS_FAULT = "postgres.connections_exhausted"


def service_during_fault(record: Record) -> list[Finding]:
    """`service_during_fault`: requests that failed or were held up while only Redis was broken.

    Held up is one that took `HELD_UP_MS` and more, and ten times as long as nearly all did before the fault.
    """
    broken = spans(record, "redis")
    frame = record.requests
    begin, end = frame["start_ns"].to_numpy(), frame["end_ns"].to_numpy()
    chosen = overlaps(begin, end, broken) & ~overlaps(begin, end, spans(record, *NEEDED))
    took_ms = (end - begin) / NS_PER_MS
    usual_ms = nearest_rank(np.sort(took_ms[end < broken[0][0]]), 95) if broken else None
    limit_ms = max(HELD_UP_MS, HELD_UP_TIMES * (usual_ms or 0))
    failed = ((frame["outcome"] != "ok") & ~_met_a_closing(frame, took_ms)).to_numpy()
    bad = frame[chosen & (failed | (took_ms >= limit_ms))]
    facts = [_fact(*row) for row in bad[list(TOLD)].itertuples(index=False)]
    n = int(chosen.sum())
    return [
        counted(
            "service_during_fault",
            "Requests failed or held up while only Redis was broken",
            facts,
            n=n,
            section="recovery",
            missing=["no request was sent while Redis was broken"] if broken and not n else [],
            not_applicable="" if broken else "no fault on Redis",
        )
    ]


def _met_a_closing(frame: pd.DataFrame, took_ms: Milliseconds) -> pd.Series[bool]:
    """A request on a kept connection that the other side was just closing for being idle: it ended at once, without any
    answer. That is nobody's failure; a backend that is away refuses the new connections that follow."""
    unanswered = (frame["outcome"] == "unknown") & frame["first_byte_ns"].isna()
    return unanswered & frame["reused"] & (took_ms < AT_ONCE_MS)


def _fact(step: str, tenant: str, outcome: str, start_ns: int, end_ns: int, error: object) -> Evidence:
    took_s = (end_ns - start_ns) / NS_PER_S
    text = f"{step} of {tenant}: {outcome} after {took_s:.1f} s {str(error)[:120]}".rstrip()
    return Evidence(text=text, source="load", at_ns=int(start_ns), tenant=str(tenant))


def slots_exhausted(record: Record) -> list[Finding]:
    """`slots_exhausted`: how often Postgres refused a connection for want of a slot, by its log, an observer, or an
    answer; where no fault takes the slots on purpose."""
    taken = any(planned.fault == SLOTS_FAULT for planned in record.plan.scenario.faults)
    logged = lines_with(record, NO_SLOT, "postgres")
    told = [Evidence(text=line[:200], source="logs/postgres.log") for line in logged or []]
    refused = [row for row in record.rows(Gap) if row.source == "postgres" and NO_SLOT.search(row.error)]
    told += [Evidence(text=row.error[:200], source="observe.jsonl", at_ns=row.at_ns) for row in refused]
    errors = record.requests["error"]
    telling = [text for text in errors.cat.categories if NO_SLOT.search(str(text))]
    answered = record.requests[errors.isin(telling)]
    told += [
        Evidence(text=f"answered to {tenant}: {str(error)[:160]}", source="load", at_ns=int(at_ns), tenant=str(tenant))
        for tenant, error, at_ns in answered[["tenant", "error", "end_ns"]].itertuples(index=False)
    ]
    return [
        counted(
            "slots_exhausted",
            "Connections refused for want of a slot",
            told,
            section="connections",
            n=len(record.requests),
            missing=[] if logged is not None or _is_external(record) else ["there is no log of Postgres"],
            not_applicable=f"{SLOTS_FAULT} takes the slots" if taken else "",
        )
    ]


def _is_external(record: Record) -> bool:
    """Whether Postgres is somebody else's, whose log can't be had."""
    return record.plan.stack == "external"
