"""Isolation: answers in which one tenant was shown another's canary.

A look that can't see proves nothing: a tenant that is never shown its own canary, or a request that is refused even to
the tenant itself, makes the finding unknown unless a breach was seen all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.model import Evidence, Finding
from harness.record.reader import Record
from harness.record.schema import CheckRequest

SOURCE = "checks.jsonl"
EVIDENCE_MAX = 20


def isolation(record: Record) -> list[Finding]:
    """`isolation_breaches`: requests of the matrix whose answer held another tenant's canary."""
    rows = [row for row in record.rows(CheckRequest) if row.check == "isolation"]
    breaches = [row for row in rows if set(row.seen) - {row.tenant}]
    missing = [] if breaches else _missing(record, rows)
    return [
        Finding(
            name="isolation_breaches",
            title="Answers that show another tenant's data",
            value=None if missing else len(breaches),
            n=sum(row.status is not None for row in rows),
            expected="0",
            section="isolation",
            missing=missing,
            not_applicable=not_asked_for(record, "isolation"),
            evidence=[_evidence(row) for row in breaches[:EVIDENCE_MAX]],
            evidence_total=len(breaches),
        )
    ]


def told(row: CheckRequest) -> str:
    """The request and its answer in one line, for evidence."""
    request = f" {row.request}" if row.request else ""
    came = f"answered {row.status}: {row.answer[:200]}" if row.status is not None else f"no answer: {row.error}"
    return f"{row.method} {row.path}{request} {came}"


def not_asked_for(record: Record, check: str) -> str:
    """Why the check says nothing; empty where the scenario asks for it."""
    return "" if check in record.plan.scenario.checks else f"the scenario asks for no {check} check"


def _evidence(row: CheckRequest) -> Evidence:
    others = ", ".join(sorted(set(row.seen) - {row.tenant}))
    about = f" about {row.about}" if row.about not in (None, row.tenant) else ""
    text = f"{row.tenant} asked{about} ({row.probe}) and was shown data of {others}: {told(row)}"
    return Evidence(text=text, source=SOURCE, at_ns=row.at_ns, tenant=row.tenant)


def _missing(record: Record, rows: Sequence[CheckRequest]) -> list[str]:
    if not rows:
        return ["no request of the isolation check was made"]
    tenants = sorted({row.tenant for row in rows})
    if len(tenants) < 2:
        return ["fewer than two tenants were there to be compared"]
    blind = [f"{tenant} was never shown its own canary" for tenant in tenants if not _sees_itself(tenant, rows)]
    own = {row.probe for row in rows if row.expected == "accepted"}
    let_in = {row.probe for row in rows if row.expected == "accepted" and row.accepted}
    useless = [f"'{probe}' is refused even to the tenant itself" for probe in sorted(own - let_in)]
    return [*blind, *useless]


def _sees_itself(tenant: str, rows: Sequence[CheckRequest]) -> bool:
    return any(row.tenant == tenant and row.method == "GET" and tenant in row.seen for row in rows)
