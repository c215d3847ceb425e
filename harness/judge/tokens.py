"""Tokens that opened what they must not, and limits that did not limit.

A refusal counts only beside a good token that was let in under the same conditions: a target that refuses everything
proves nothing. A 5xx is neither a refusal nor a breach.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.isolation import EVIDENCE_MAX, SOURCE, not_asked_for, told
from harness.judge.model import Evidence, Finding
from harness.record.reader import Record
from harness.record.schema import CheckRequest

Condition = tuple[tuple[str, ...], tuple[str, ...]]
FAILURE_FROM = 500


def tokens(record: Record) -> list[Finding]:
    """`token_breaches`: requests with a token that must open nothing and that were let in."""
    rows = [row for row in record.rows(CheckRequest) if row.check == "tokens"]
    tried = [row for row in rows if row.expected == "refused"]
    breaches = [row for row in tried if row.accepted]
    missing = [] if breaches else _missing_tokens(record, rows)
    return [
        Finding(
            name="token_breaches",
            title="Tokens let in that must not be",
            value=None if missing else len(breaches),
            n=sum(_answered(row) for row in tried),
            expected="0",
            section="isolation",
            missing=missing,
            not_applicable=not_asked_for(record, "tokens"),
            evidence=[
                Evidence(text=f"{row.request} ({row.probe}{_when(row)}): {_seen(row)}", source=SOURCE, at_ns=row.at_ns)
                for row in breaches[:EVIDENCE_MAX]
            ],
            evidence_total=len(breaches),
        )
    ]


def rate_limit(record: Record) -> list[Finding]:
    """`rate_limit_bypass`: rounds in which a request was repeated beyond its limit and never limited."""
    rows = [row for row in record.rows(CheckRequest) if row.check == "rate_limit"]
    rounds = [[row for row in rows if row.probe == when] for when in dict.fromkeys(row.probe for row in rows)]
    unlimited = [asked for asked in rounds if not _limited(record, asked) and all(map(_answered, asked))]
    undecided = [asked for asked in rounds if not _limited(record, asked) and not all(map(_answered, asked))]
    missing = [f"{asked[0].probe}: not every request was answered" for asked in undecided]
    if not rounds:
        missing = ["no request of the rate-limit check was made"]
    if unlimited:
        missing = []
    return [
        Finding(
            name="rate_limit_bypass",
            title="Rounds without any rate limit",
            value=None if missing else len(unlimited),
            n=len(rounds),
            expected="0",
            section="isolation",
            missing=missing,
            not_applicable=not_asked_for(record, "rate_limit"),
            evidence=[
                Evidence(
                    text=f"{asked[0].probe}: {len(asked)} times let through, the last one: {told(asked[-1])}",
                    source=SOURCE,
                    at_ns=asked[-1].at_ns,
                )
                for asked in unlimited
            ],
            evidence_total=len(unlimited),
        )
    ]


def _missing_tokens(record: Record, rows: Sequence[CheckRequest]) -> list[str]:
    if not rows:
        return ["no request of the token check was made"]
    let_in = {_condition(row) for row in rows if row.probe == "good" and row.accepted}
    tried = {_condition(row) for row in rows if row.expected == "refused"}
    doubtful = [f"no good token was let in{_said(each)}" for each in sorted(tried - let_in)]
    checks = record.plan.target.checks.tokens
    if checks is not None and checks.logout is not None and not any(row.probe == "revoked" for row in rows):
        doubtful.append("no token could be revoked")
    probes = {(row.probe, _condition(row)) for row in rows if row.expected == "refused"}
    answered = {(row.probe, _condition(row)) for row in rows if row.expected == "refused" and _answered(row)}
    return [*doubtful, *(f"'{probe}' had no answer{_said(each)}" for probe, each in sorted(probes - answered))]


def _limited(record: Record, asked: Sequence[CheckRequest]) -> bool:
    checks = record.plan.target.checks.rate_limit
    return checks is not None and any(row.status in checks.limited for row in asked)


def _answered(row: CheckRequest) -> bool:
    return row.status is not None and row.status < FAILURE_FROM


def _condition(row: CheckRequest) -> Condition:
    return tuple(row.faults), tuple(row.healed)


def _said(condition: Condition) -> str:
    faults, healed = condition
    during = f" during {', '.join(faults)}" if faults else ""
    return during + (f" after {', '.join(healed)}" if healed else "")


def _when(row: CheckRequest) -> str:
    return _said(_condition(row))


def _seen(row: CheckRequest) -> str:
    return f"{row.method} {row.path} answered {row.status}: {row.answer[:200]}"
