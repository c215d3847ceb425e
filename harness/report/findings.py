"""Findings put where a reader looks for them: the sections in the order of the report, and latency in tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from harness.gate import Ruling
from harness.judge.model import Evidence, Finding, GateRuling, Verdict
from harness.report.figures import expected_number

EVIDENCE_SHOWN = 12
ROWS_SHOWN = 250

OTHER = "other"
SECTIONS: dict[str, tuple[str, ...]] = {
    "success": ("registrations_", "crashes", "health_failed"),
    "performance": ("time_to_recover",),
    "connections": (
        "leaks",
        "ledger_mismatch",
        "cache_over_limit",
        "unaccounted_connections",
        "connection",
        "role_growth",
    ),
    "redis": ("redis_", "log_spam"),
    "data": ("lost", "orphans", "ghosts", "duplicates", "recovered", "corrupted", "own_data_wrong"),
    "faults": ("service_during_fault", "stale_pool", "slots_exhausted", "health_wrong", "event_loop_blocked"),
    "security": ("isolation_", "token_", "rate_limit_bypass", "api_contract", "error_details"),
    "resources": ("descriptor_growth", "thread_growth", "memory_growth"),
    "trust": ("generator_lag", "faults_unseen", "faults_unhealed"),
}

# Sections as judging names them -> as the page has them.
JUDGED = {
    **{name: name for name in ("success", "performance", "connections", "resources", "redis")},
    "consistency": "data",
    "recovery": "faults",
    "isolation": "security",
    "api": "security",
    "run": "trust",
}

_LATENCY = re.compile(
    r"(?P<step>.+?)_(?P<kind>(?:failed_)?(?:service_|response_)?)(?P<figure>avg|min|max|p50|p95|p99)_ms"
)
FIGURES = ("avg", "min", "p50", "p95", "p99", "max")
KINDS = {
    "": "response time, ok",
    "response_": "response time, ok",
    "service_": "service time, ok",
    "failed_": "response time, failed",
    "failed_service_": "service time, failed",
    "failed_response_": "response time, failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A finding with what was ruled on it, and the same of parts of the run where no gate asks for those.

    `status` is pass, fail or unknown where a gate was set; `none` where the finding has no meaning in this run; else
    `met`, `differs` or empty, by its expectation.
    """

    finding: Finding
    gates: list[GateRuling]
    status: str
    phases: list[Row] = field(default_factory=list)

    @property
    def evidence(self) -> list[Evidence]:
        return self.finding.evidence[:EVIDENCE_SHOWN]

    @property
    def evidence_left(self) -> int:
        """How many facts are told only by `verdict.json`, or only counted."""
        return max(self.finding.evidence_total, len(self.finding.evidence)) - len(self.evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRow:
    """One line of the latency table: a step's figures of one kind in one phase; `cells` by `FIGURES`."""

    step: str
    kind: str
    phase: str
    n: int | None
    cells: dict[str, Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The findings of one section; `left_out` counts those that only `verdict.json` has."""

    name: str
    rows: list[Row]
    latency: list[LatencyRow]
    left_out: int


def sections(verdict: Verdict) -> dict[str, Section]:
    """Every section by name, in order; no finding is in two or in none."""
    placed: dict[str, list[Row]] = {name: [] for name in (*SECTIONS, OTHER)}
    by_gate = _gates(verdict)
    for finding in verdict.findings:
        row = Row(
            finding=finding, gates=by_gate.get((finding.name, finding.phase), []), status=status(finding, by_gate)
        )
        placed[section_of(finding)].append(row)
    return {name: _section(name, rows) for name, rows in placed.items()}


def section_of(finding: Finding) -> str:
    """By its canonical name; else by the section that it names; else `other`."""
    if _LATENCY.fullmatch(finding.name):
        return "performance"
    for name, prefixes in SECTIONS.items():
        if finding.name.startswith(prefixes):
            return name
    return JUDGED.get(finding.section, OTHER)


def status(finding: Finding, gates: dict[tuple[str, str], list[GateRuling]]) -> str:
    """The worst ruling on it; where none was asked for, whether it is what is expected."""
    if ruled := gates.get((finding.name, finding.phase)):
        return max(gate.ruling for gate in ruled).word
    if finding.value is None:
        return "none" if finding.not_applicable else Ruling.UNKNOWN.word
    if (wanted := expected_number(finding.expected)) is None:
        return ""
    return "met" if finding.value == wanted else "differs"


def _gates(verdict: Verdict) -> dict[tuple[str, str], list[GateRuling]]:
    found: dict[tuple[str, str], list[GateRuling]] = {}
    for gate in verdict.gates:
        found.setdefault((gate.gate.finding, gate.gate.phase), []).append(gate)
    return found


def _section(name: str, rows: list[Row]) -> Section:
    latency = _latency_rows(rows)
    in_table = {id(cell) for line in latency for cell in line.cells.values()}
    others = _folded([row for row in rows if id(row) not in in_table])
    rest = sorted(others, key=lambda row: _urgency(row.status))
    return Section(name=name, rows=rest[:ROWS_SHOWN], latency=latency, left_out=max(0, len(rest) - ROWS_SHOWN))


def _folded(rows: list[Row]) -> list[Row]:
    """Figures of a part of the run under the row of the whole run, unless a gate asks for the part."""
    whole = {row.finding.name for row in rows if row.finding.phase == "all"}
    parts: dict[str, list[Row]] = {}
    for row in rows:
        if row.finding.phase != "all" and not row.gates and row.finding.name in whole:
            parts.setdefault(row.finding.name, []).append(row)
    folded = {id(part) for group in parts.values() for part in group}
    return [
        replace(row, phases=parts.get(row.finding.name, [])) if row.finding.phase == "all" else row
        for row in rows
        if id(row) not in folded
    ]


def _urgency(status: str) -> int:
    """Only what failed goes before the rest, which keeps the order in which it was found."""
    return 0 if status == Ruling.FAIL.word else 1


def _latency_rows(rows: Iterable[Row]) -> list[LatencyRow]:
    lines: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        if match := _LATENCY.fullmatch(row.finding.name):
            key = (match["step"], match["kind"], row.finding.phase)
            lines.setdefault(key, {})[match["figure"]] = row
    return [
        LatencyRow(step=step, kind=KINDS[kind], phase=phase, n=_n(cells.values()), cells=cells)
        for (step, kind, phase), cells in lines.items()
    ][:ROWS_SHOWN]


def _n(rows: Iterable[Row]) -> int | None:
    return next((row.finding.n for row in rows if row.finding.n is not None), None)
