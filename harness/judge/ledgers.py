"""Whether the claimed ledger adds up in itself, and whether the client cache keeps its limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.judge.claims import claims, lacking, potential_leaks, quiet, restarted_between
from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.record.reader import Record
from harness.record.schema import Statistics

SOURCE = "observe.jsonl"
CUMULATIVE = ("created", "closed", "evicted", "failed_to_close")


def ledger_mismatch(record: Record) -> list[Finding]:
    """`ledger_mismatch`, contradictions in what the target claims, and `cache_over_limit`, clients beyond its limit."""
    has_none = "" if record.plan.target.statistics else lacking(record)
    missing = [] if has_none or not lacking(record) else [lacking(record)]
    last = quiet(record)
    facts = [*(_contradictions(last) if last else ()), *_backwards(record)]
    return [
        counted(
            "ledger_mismatch",
            "Contradictions in the claimed ledger",
            facts,
            n=len(claims(record)),
            section="connections",
            missing=missing,
            not_applicable=has_none,
        ),
        _over_limit(record, missing, has_none),
    ]


def _contradictions(row: Statistics) -> Iterator[Evidence]:
    """At rest every one of these sums must hold."""
    formula = potential_leaks(row)
    if formula is not None and formula < 0:
        yield _fact(row, f"closed {row.closed} + cached {row.cached} are more than created {row.created}")
    if formula is not None and row.potential_leaks is not None and row.potential_leaks != formula:
        yield _fact(row, f"potential leaks are told as {row.potential_leaks}, the formula gives {formula}")
    if row.evicted is not None and row.closed is not None and row.created is not None and row.evicted > row.created:
        yield _fact(row, f"evicted {row.evicted} are more than created {row.created}")
    if row.tenants and row.cached is not None and len(row.tenants) != row.cached:
        yield _fact(row, f"cached is told as {row.cached}, {len(row.tenants)} tenants are listed")
    listed = [tenant.connections for tenant in row.tenants if tenant.connections is not None]
    if listed and formula == 0 and row.connections_open is not None and sum(listed) != row.connections_open:
        yield _fact(row, f"{row.connections_open} connections are told open, the tenants' add up to {sum(listed)}")


def _backwards(record: Record) -> Iterator[Evidence]:
    """Counts of events never fall while the process lives."""
    rows = claims(record)
    for earlier, later in pairwise(rows):
        for name in CUMULATIVE:
            before, after = getattr(earlier, name), getattr(later, name)
            fell = before is not None and after is not None and after < before
            if fell and not restarted_between(record, earlier.at_ns, later.at_ns):
                yield _fact(later, f"{name} fell from {before} to {after}")


def _over_limit(record: Record, missing: Sequence[str], has_none: str) -> Finding:
    known = [(over, row) for row in claims(record) if (over := _over(row)) is not None]
    if not has_none and not missing and not known:
        has_none = "the target tells no cache limit"
    worst = max(known, key=lambda item: item[0], default=None)
    facts = []
    if worst and worst[0] > 0:
        facts = [_fact(worst[1], f"{worst[1].cached} clients cached, the limit is {worst[1].cache_limit}")]
    return counted(
        "cache_over_limit",
        "Cached clients beyond the limit, worst moment",
        facts,
        n=len(known),
        section="connections",
        missing=missing,
        not_applicable=has_none,
        value=max(0, worst[0]) if worst else 0,
    )


def _over(row: Statistics) -> int | None:
    return None if row.cached is None or row.cache_limit is None else row.cached - row.cache_limit


def _fact(row: Statistics, text: str) -> Evidence:
    return Evidence(text=text, source=SOURCE, at_ns=row.at_ns)
