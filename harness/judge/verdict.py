"""Composes the findings of a run and rules its gates: fail beats unknown beats pass, and no evidence is no pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.gate import Gate, Ruling
from harness.judge.doubts import doubts
from harness.judge.facts import run_facts
from harness.judge.finders import FINDERS
from harness.judge.model import Finding, GateRuling, Verdict
from harness.plan import Plan
from harness.record.reader import Record
from harness.scenario import Scenario

Finder = Callable[[Record], list[Finding]]


def judge(record: Record, gates: Sequence[Gate] | None = None, finders: Sequence[Finder] = FINDERS) -> Verdict:
    """The verdict of a run, by its own scenario's gates or by those given."""
    findings, crashed = found(record, finders)
    asked = asked_of(record.plan) if gates is None else gates
    rulings = [ruled for gate in asked if (ruled := rule(gate, findings)) is not None]
    unsure = [*doubts(record, findings), *crashed]
    return composed(rulings, findings, unsure, record)


def asked_of(plan: Plan, scenario: Scenario | None = None) -> list[Gate]:
    """The gates of a run: its scenario's or another's, the strict defaults, and what its target promises of itself."""
    asked = scenario or plan.scenario
    promises: dict[str, float] = {"redis_announcements": 1, "time_to_recover": asked.observe.recover_within_s}
    if plan.target.redis.reconnects is not None:
        promises["redis_reconnects"] = plan.target.redis.reconnects
    written = asked.gates
    return [
        *asked.all_gates(),
        *(Gate.of(name, bound, by_default=True) for name, bound in promises.items() if name not in written),
    ]


def found(record: Record, finders: Sequence[Finder]) -> tuple[list[Finding], list[str]]:
    """Every finder's findings, and the finders that crashed: those make the verdict unknown, never a pass."""
    findings: list[Finding] = []
    crashed: list[str] = []
    for finder in finders:
        try:
            findings += finder(record)
        except Exception as error:  # noqa: BLE001 - a fault of the judge is told in the verdict and can't be a pass
            crashed.append(f"the finder {finder.__name__} broke: {type(error).__name__}: {error}")
    return findings, crashed


def rule(gate: Gate, findings: Sequence[Finding]) -> GateRuling | None:
    """The ruling of one gate; null for a default gate whose finding was not looked for or has no meaning here."""
    finding = next((item for item in findings if (item.name, item.phase) == (gate.finding, gate.phase)), None)
    if gate.by_default and (finding is None or finding.not_applicable):
        return None
    ruling, why = _ruling(gate, finding)
    return GateRuling(gate=gate, ruling=ruling, why=why, value=finding.value if finding else None)


def _ruling(gate: Gate, finding: Finding | None) -> tuple[Ruling, str]:
    if finding is None:
        return Ruling.UNKNOWN, f"nothing looked for {gate.finding}" + _in_phase(gate)
    lacks = "; ".join(finding.missing) or finding.not_applicable
    if finding.value is None:
        return Ruling.UNKNOWN, f"{finding.title}: {lacks or 'no evidence'}"
    told = f"{finding.title}: {shown(finding)}, asked for {gate.comparison} {gate.bound:g}{_in_phase(gate)}"
    holds = gate.holds(finding.value)
    if not lacks:
        return (Ruling.PASS if holds else Ruling.FAIL), told
    if finding.at_least and gate.is_upper and finding.value > gate.bound:
        return Ruling.FAIL, f"{told} (at least; {lacks})"
    return Ruling.UNKNOWN, f"{told}, but {lacks}"


def shown(finding: Finding) -> str:
    """The value as a sentence holds it: no digits that mean nothing."""
    if finding.value is None:
        return "unknown"
    number = f"{finding.value:.4g}" if abs(finding.value) < 10_000 else f"{finding.value:.0f}"
    return f"{number} {finding.unit}".strip()


def composed(
    rulings: Sequence[GateRuling], findings: Sequence[Finding], unsure: Sequence[str], record: Record
) -> Verdict:
    """The worst ruling wins; a doubt about the run keeps it from being a pass."""
    worst = max((item.ruling for item in rulings), default=Ruling.UNKNOWN)
    ruling = max(worst, Ruling.UNKNOWN) if unsure else worst
    why = [item.why for item in rulings if item.ruling == ruling]
    if ruling == Ruling.UNKNOWN:
        why = [*unsure, *why]
    if not rulings:
        why = [*why, "no gate was ruled"]
    if ruling == Ruling.PASS:
        why = [f"all {len(rulings)} gates hold"]
    return Verdict(
        ruling=ruling,
        why=why,
        gates=list(rulings),
        findings=list(findings),
        doubts=list(unsure),
        facts=run_facts(record),
    )


def _in_phase(gate: Gate) -> str:
    return "" if gate.phase == "all" else f" {gate.phase} the faults"
