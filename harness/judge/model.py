"""What judging produces: findings with their evidence, gates ruled on them, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.gate import Gate, Ruling

__all__ = ["Evidence", "Finding", "GateRuling", "MachineFacts", "Ruling", "RunFacts", "Section", "Verdict"]

Section = Literal[
    "success",
    "performance",
    "connections",
    "resources",
    "consistency",
    "isolation",
    "redis",
    "recovery",
    "api",
    "run",
    "",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact behind a finding, in a sentence, with the rows it rests on.

    `tenant` is the harness's label where the fact is about one tenant. `source` is the events file or log; `at_ns` the
    moment on the run's clock, so that a report can jump to it.
    """

    text: str
    source: str = ""
    at_ns: int | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A measured value.

    `value` is null where nothing can be said; `missing` says what evidence lacks. With `at_least` the value is proven
    from below although something is missing: it can break an upper bound, it can't keep one. `not_applicable` says why
    the finding has no meaning in this run (no Redis fault, no reconnecting). `n` is the number of observations behind
    the value, `expected` what a healthy backend shows, `low` and `high` the 95 % interval of an estimate. `evidence`
    holds the first facts of `evidence_total`.
    """

    name: str
    title: str
    value: float | None
    unit: str = ""
    n: int | None = None
    expected: str = ""
    section: Section = ""
    missing: list[str] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    evidence_total: int = 0
    low: float | None = None
    high: float | None = None
    phase: str = "all"
    at_least: bool = False
    not_applicable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRuling:
    """A gate applied to its finding."""

    gate: Gate
    ruling: Ruling
    why: str
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """Where the run happened."""

    host: str
    cores: int
    memory_bytes: int
    system: str
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What was run, on what, and how it ended. `end_reason` is null where the run was killed before it could say."""

    run_id: str
    created_at: str
    scenario: str
    proves: str
    failure_means: str
    target: str
    stack: str
    stack_why: str
    versions: dict[str, str]
    seed: int
    machine: MachineFacts
    harness_version: str
    registrations_planned: int | None
    users: int
    model: str
    duration_s: float | None
    end_reason: str | None
    end_detail: str
    torn_lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All of it; written to `verdict.json`. `why` says in sentences what made the ruling so; `doubts` are the reasons
    for which the run as a whole can't be a pass, whatever its gates say."""

    ruling: Ruling
    why: list[str]
    gates: list[GateRuling]
    findings: list[Finding]
    doubts: list[str]
    facts: RunFacts

    def finding(self, name: str, phase: str = "all") -> Finding | None:
        return next((item for item in self.findings if item.name == name and item.phase == phase), None)
