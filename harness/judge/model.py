"""What judging produces: findings with their evidence, gates ruled on them, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.gate import Gate, Ruling

__all__ = ["Evidence", "Finding", "GateRuling", "Ruling", "Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact behind a finding, in a sentence, with the rows it rests on.

    `tenant` is the harness's label where the fact is about one tenant. `source` is the events file; `at_ns` the moment,
    so that a report can jump to it.
    """

    text: str
    source: str = ""
    at_ns: int | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A measured value. `value` is null when the evidence is missing, and then `missing` says what; `n` is the number
    of observations behind it. `expected` is what a healthy backend shows, where that is known. `low` and `high` bound
    an estimate (95 % interval)."""

    name: str
    title: str
    value: float | None
    unit: str = ""
    n: int | None = None
    expected: str = ""
    section: str = ""
    missing: list[str] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    evidence_total: int = 0
    low: float | None = None
    high: float | None = None
    phase: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRuling:
    """A gate applied to its finding."""

    gate: Gate
    ruling: Ruling
    why: str
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All of it; written to `verdict.json`. `why` says in sentences what made it so."""

    ruling: Ruling
    why: list[str]
    gates: list[GateRuling]
    findings: list[Finding]

    def finding(self, name: str, phase: str = "all") -> Finding | None:
        return next((item for item in self.findings if item.name == name and item.phase == phase), None)
