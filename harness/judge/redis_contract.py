"""The Redis contract: what the target promises for the time without Redis, against what the wire and its log show.

Attempts are counted on the wire, where a log that counts wrongly can't hide any. An attempt may come late, on a busy
machine or because it was refused before the proxy saw it, but never early. Nothing here is judged in a run in which
Redis was never away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

from harness.clock import NS_PER_MS, NS_PER_S
from harness.judge.claims import quiet
from harness.judge.logs import lines_with, mentions_redis, repeated
from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.judge.redis_wire import Outage, got_an_answer, outages
from harness.judge.wire import TO_REDIS, Wire, connections
from harness.record.reader import Record
from harness.record.schema import Process, Redis

SOURCE = "proxy.jsonl"
LOG = "logs/backend.log"
LINES_BESIDE_ATTEMPTS = 3
SETTLED_NS = NS_PER_S


def redis_contract(record: Record) -> list[Finding]:
    """`redis_reconnects`, `redis_backoff`, `redis_announcements`, `log_spam`, `redis_fallback`."""
    found = outages(record)
    unwired = [] if connections(record, TO_REDIS) else ["nothing was recorded on the wire to Redis"]
    return [
        _reconnects(record, found, unwired),
        _backoff(record, found, unwired),
        _announcements(record, found),
        _spam(record, found),
        _fallback(record, found, unwired),
    ]


def _idle(found: Sequence[Outage]) -> str:
    return "" if found else "Redis was never away"


def _reconnects(record: Record, found: Sequence[Outage], unwired: list[str]) -> Finding:
    """The most attempts in one outage."""
    promised = record.plan.target.redis.reconnects
    worst = max(found, key=lambda outage: outage.counted, default=None)
    claim = quiet(record)
    claimed = f"; the target claims {claim.redis_attempts}" if claim and claim.redis_attempts is not None else ""
    facts = [
        Evidence(
            text=f"{outage.window.fault}: {outage.counted} attempts on the wire, {_offsets(outage)}{claimed}",
            source=SOURCE,
            at_ns=outage.window.begin_ns,
        )
        for outage in found
    ]
    return counted(
        "redis_reconnects",
        "Redis reconnection attempts on the wire, worst outage",
        facts,
        n=len(found),
        section="redis",
        missing=unwired if found else [],
        not_applicable=_idle(found),
        expected="" if promised is None else f"at most {promised}",
        value=worst.counted if worst else 0,
    )


def _offsets(outage: Outage) -> str:
    begin_ns = outage.window.begin_ns
    tried = [*outage.attempts, *(outage.later if outage.is_exhausted else [])]
    moments = [f"{(wire.opened.at_ns - begin_ns) / NS_PER_S:.1f}" for wire in tried[:10]]
    return f"{', '.join(moments)} s after it began" if moments else "none failed"


def _backoff(record: Record, found: Sequence[Outage], unwired: list[str]) -> Finding:
    contract = record.plan.target.redis
    facts = [
        fact
        for outage in found
        for run in outage.runs
        for fact in _early(run, contract.backoff_ms, contract.backoff_tolerance, outage.window.fault)
    ]
    idle = _idle(found) if contract.backoff_ms else "the target file promises no waits"
    return counted(
        "redis_backoff",
        "Redis attempts that came too early",
        facts,
        n=sum(max(0, len(outage.attempts) - 1) for outage in found),
        section="redis",
        missing=unwired if found else [],
        not_applicable=idle,
    )


def _early(run: Sequence[Wire], promised_ms: Sequence[float], tolerance: float, fault: str) -> Iterator[Evidence]:
    """The wait before attempt k is the promise's k-th. What goes beyond the promise is a matter of its number."""
    for number, (before, wire) in enumerate(pairwise(run), 2):
        if number > len(promised_ms):
            return
        wait_ms = promised_ms[number - 1]
        gap_ms = (wire.opened.at_ns - before.opened.at_ns) / NS_PER_MS
        if gap_ms < wait_ms * (1 - tolerance):
            text = f"{fault}: attempt {number} came {gap_ms:.0f} ms after the one before, {wait_ms:g} ms are promised"
            yield Evidence(text=text, source=SOURCE, at_ns=wire.opened.at_ns)


def _announcements(record: Record, found: Sequence[Outage]) -> Finding:
    """How often one process of the backend told of its fallback."""
    pattern = record.plan.target.redis.announcement
    lines = lines_with(record, re.compile(pattern)) if pattern else None
    facts = [Evidence(text=line[:200], source=LOG) for line in lines or []]
    idle = _idle(found) if pattern else "the target file names no announcement"
    return counted(
        "redis_announcements",
        "Announcements of the fallback",
        facts,
        n=len(found),
        section="redis",
        missing=["there is no log of the backend"] if pattern and lines is None and found else [],
        not_applicable=idle,
        expected="1" if any(outage.is_exhausted for outage in found) else "0",
        value=ceil(len(facts) / _processes(record)),
    )


def _processes(record: Record) -> int:
    return max(1, len({row.pid for row in record.rows(Process) if row.process == "backend"}))


def _spam(record: Record, found: Sequence[Outage]) -> Finding:
    """Log lines about Redis that were repeated more often than it was connected to."""
    allowed = len(connections(record, TO_REDIS)) + LINES_BESIDE_ATTEMPTS
    lines = lines_with(record, mentions_redis)
    beyond = {shape: count - allowed for shape, count in repeated(lines or []).items() if count > allowed}
    facts = [Evidence(text=f"{count + allowed} times: {shape[:160]}", source=LOG) for shape, count in beyond.items()]
    return counted(
        "log_spam",
        "Repeated log lines about Redis beyond its attempts",
        facts,
        n=len(lines or []),
        section="redis",
        missing=["there is no log of the backend"] if lines is None and found else [],
        not_applicable=_idle(found),
        value=sum(beyond.values()),
    )


def _fallback(record: Record, found: Sequence[Outage], unwired: list[str]) -> Finding:
    return counted(
        "redis_fallback",
        "Faults of the fallback without Redis",
        list(_broken_promises(record, found)) if found else [],
        n=len(found),
        section="redis",
        missing=unwired if found else [],
        not_applicable=_idle(found),
    )


def _broken_promises(record: Record, found: Sequence[Outage]) -> Iterator[Evidence]:
    contract, claim = record.plan.target.redis, quiet(record)
    state = claim.redis_state if claim else None
    exhausted = [outage for outage in found if outage.is_exhausted and (not claim or _is_over(outage, claim.at_ns))]
    ended_ns = max(outage.window.end_ns for outage in found)
    if state == contract.fallback_state and not exhausted and _is_up(record):
        yield _fact("it gave Redis up although its attempts were not used up, and Redis answers", ended_ns)
    if exhausted and state is not None and contract.permanent_fallback and state != contract.fallback_state:
        yield _fact(f"all attempts failed, but at rest it claims to be {state}", ended_ns)
    for outage in exhausted if contract.permanent_fallback else ():
        for wire in outage.later[:1]:
            if got_an_answer(wire):
                yield _fact("it came back although the fallback is permanent", wire.opened.at_ns)
    if exhausted and contract.announcement and lines_with(record, re.compile(contract.announcement)) == []:
        yield _fact("it gave Redis up and announced nothing", ended_ns)
    if not contract.permanent_fallback and state == contract.fallback_state and _is_up(record):
        yield _fact("it stayed in fallback although Redis is back", ended_ns)


def _is_over(outage: Outage, rest_ns: int) -> bool:
    """Whether the last attempt had failed some time before the claim at rest was made."""
    return all(wire.closed and wire.closed.at_ns < rest_ns - SETTLED_NS for wire in outage.attempts)


def _is_up(record: Record) -> bool:
    rows = record.rows(Redis)
    return bool(rows) and rows[-1].up


def _fact(text: str, at_ns: int) -> Evidence:
    return Evidence(text=text, source=SOURCE, at_ns=at_ns if at_ns < 2**62 else None)
