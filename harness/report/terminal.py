"""One screen at the end of a run: the verdict, why, the figures that matter, and where the report is."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.gate import Ruling
from harness.judge.model import Finding, Verdict
from harness.record.folder import RunFolder
from harness.report import reference
from harness.report.figures import figure
from harness.report.text import clean

WHY_SHOWN = 6
EVIDENCE_SHOWN = 3
TENANTS_SHOWN = 8
TENANTS_NAMED_FROM = 2
WIDTH_SHOWN = 200
STYLES = {Ruling.PASS: "bold white on green", Ruling.UNKNOWN: "bold black on yellow", Ruling.FAIL: "bold white on red"}
PASSED = "every gate held"


def summary(verdict: Verdict, folder: RunFolder) -> RenderableType:
    """The screen as something rich can print."""
    badge = Text(f" {verdict.ruling.word.upper()} ", style=STYLES[verdict.ruling])
    reasons = verdict.why or ([PASSED] if verdict.ruling is Ruling.PASS else [])
    left = len(reasons) - WHY_SHOWN
    lines = [Text(f"- {clean(why, WIDTH_SHOWN)}") for why in reasons[:WHY_SHOWN]]
    if left > 0:
        lines.append(Text(f"- and {left} more"))
    report = next((folder.path / name for name in ("report.html", "report.md") if (folder.path / name).is_file()), None)
    where = Text.assemble("report  ", (str(report or folder.path), "cyan"))
    parts = [Group(*lines), *_named(verdict), _figures(verdict), *_beside_the_report(verdict)]
    return Group(Text(), badge, *(Padding(part, (0, 0, 1, 1)) for part in parts), where)


def _named(verdict: Verdict) -> list[RenderableType]:
    """The first facts behind each gate that failed: which tenant, which connection, which request."""
    lines: list[Text] = []
    for failed in [item for item in verdict.gates if item.ruling is Ruling.FAIL][:WHY_SHOWN]:
        finding = verdict.finding(failed.gate.finding, failed.gate.phase)
        if finding is None or not finding.evidence:
            continue
        lines.append(Text(finding.title, style="bold"))
        lines += [Text(f"  {clean(item.text, WIDTH_SHOWN)}") for item in finding.evidence[:EVIDENCE_SHOWN]]
        lines += _tenants(finding)
        left = max(finding.evidence_total, len(finding.evidence)) - EVIDENCE_SHOWN
        if left > 0:
            lines.append(Text(f"  and {left} more, in the report", style="dim"))
    return [Group(*lines)] if lines else []


def _tenants(finding: Finding) -> list[Text]:
    """To whom it happened, the worst hit first: `of t00003 (8), t00001 (7)`."""
    hit = Counter(item.tenant for item in finding.evidence if item.tenant)
    if len(hit) < TENANTS_NAMED_FROM:
        return []
    named = ", ".join(f"{tenant} ({count})" for tenant, count in hit.most_common(TENANTS_SHOWN))
    more = f" and {len(hit) - TENANTS_SHOWN} tenants more" if len(hit) > TENANTS_SHOWN else ""
    return [Text(f"  of {named}{more}")]


def _beside_the_report(verdict: Verdict) -> list[RenderableType]:
    """For a run of the Phase 1 scenario, what the report that it repeats measured on its own machine and backend."""
    if verdict.facts.scenario != reference.SCENARIO:
        return []
    table = Table("metric", "this run", "the Phase 1 report", box=None, pad_edge=False, header_style="dim")
    for line in reference.PHASE1:
        if line.finding:
            shown = _shown(verdict.finding(line.finding))
            table.add_row(line.metric, shown, figure(line.reported, line.unit))
    duration = verdict.facts.duration_s
    table.add_row("Whole run", figure(duration, "s"), figure(reference.DURATION_S, "s"))
    return [table]


def _figures(verdict: Verdict) -> Table:
    """The three that matter: leaks, registrations by outcome, the time of a registration."""
    table = Table.grid(padding=(0, 3))
    table.add_row("potential leaks", _value(verdict.finding("leaks")), _beside(verdict, "unaccounted_connections"))
    bad = ", ".join(
        f"{_shown(verdict.finding(f'registrations_{word}'))} {word}" for word in ("failed", "unknown", "not_started")
    )
    table.add_row(
        "registrations", _value(verdict.finding("registrations_ok")), bad.replace("not_started", "not started")
    )
    p95 = verdict.finding("register_p95_ms")
    slowest = verdict.finding("register_max_ms")
    big, words = (p95, "95th percentile") if p95 and p95.value is not None else (slowest, "slowest")
    table.add_row("a registration", _value(big), f"{words}; median {_shown(verdict.finding('register_p50_ms'))}")
    return table


def _beside(verdict: Verdict, name: str) -> str:
    finding = verdict.finding(name)
    return f"{_shown(finding)} unaccounted connections" if finding else ""


def _value(finding: Finding | None) -> Text:
    return Text(_shown(finding), style="bold")


def _shown(finding: Finding | None) -> str:
    return figure(finding.value if finding else None, finding.unit if finding else "")
