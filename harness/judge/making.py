"""Makes the most common finding: a count of bad things, each with its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.model import Evidence, Finding, Section

EVIDENCE_MAX = 20


def counted(
    name: str,
    title: str,
    facts: Sequence[Evidence],
    *,
    section: Section,
    n: int | None = None,
    missing: Sequence[str] = (),
    not_applicable: str = "",
    expected: str = "0",
    value: float | None = None,
) -> Finding:
    """A finding whose value is the number of facts, or `value` where a fact stands for more than one.

    With evidence missing the count is proven from below: it can break a gate, it can't keep one.
    """
    count = len(facts) if value is None else value
    nothing = not_applicable or (missing and not count)
    return Finding(
        name=name,
        title=title,
        value=None if nothing else count,
        n=n,
        expected=expected,
        section=section,
        missing=list(missing),
        evidence=list(facts[:EVIDENCE_MAX]),
        evidence_total=len(facts),
        at_least=bool(missing),
        not_applicable=not_applicable,
    )
