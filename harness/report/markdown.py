"""The report as Markdown, for a CI's summary or a pull request: short, no HTML, nothing of a run's text unescaped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.gate import Ruling
from harness.report.figures import figure
from harness.report.findings import FIGURES, Row, Section
from harness.report.page import Page
from harness.report.pictures import FOLDER
from harness.report.text import clean

MARKS = {
    "pass": "✅ pass",
    "fail": "❌ fail",
    "unknown": "❔ unknown",
    "met": "✅ as expected",
    "differs": "differs",
    "none": "not asked",
    "": "",
}
TITLES = {
    "success": "Success metrics",
    "connections": "Connection pool statistics",
    "redis": "Redis behaviour",
    "data": "Nothing lost, nothing left behind",
    "faults": "Service while dependencies fail",
    "security": "Isolation, tokens and API",
    "resources": "Resources",
    "trust": "Can the figures be trusted?",
    "other": "Other measurements",
}
ROWS_SHOWN = 40
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&!$@])")


def markdown(page: Page, folder: Path) -> str:
    """The whole text. Pictures that `--format svg` wrote beside it are shown."""
    blocks = [*_head(page), *_missing(page), *_gates(page)]
    for name, title in TITLES.items():
        blocks += _section(title, page.sections[name])
        if name == "success":
            blocks += _latency(page.sections["performance"])
    blocks += [*_pictures(page, folder), *_conclusion(page)]
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text of a run as Markdown shows it letter by letter."""
    return _SPECIAL.sub(r"\\\1", clean(text))


def _head(page: Page) -> Iterator[str]:
    plan = page.record.plan
    yield f"# {MARKS[page.ruling.word]}: {escaped(plan.scenario.name)}"
    yield escaped(plan.scenario.proves)
    if page.why:
        yield _list(page.why[:10])
    leaks, p95 = page.verdict.finding("leaks"), page.verdict.finding("register_p95_ms")
    outcomes = page.outcomes
    yield _table(
        ["Potential leaks", "Registered", "Failed", "Unknown", "p95 of a registration", "Figures trusted"],
        [
            [
                figure(leaks.value if leaks else None),
                f"{outcomes.ok} of {outcomes.planned if outcomes.planned is not None else 'any number'}",
                str(outcomes.failed),
                str(outcomes.unknown),
                figure(p95.value if p95 else None, "ms"),
                "yes" if page.trust.ruling is Ruling.PASS else "not wholly",
            ]
        ],
    )
    facts = [
        f"{fact.name}: {fact.text}" for fact in page.configuration if fact.name not in ("Proves", "A failure means")
    ]
    yield _list(facts)


def _missing(page: Page) -> Iterator[str]:
    if page.trust.missing:
        yield "## What is missing"
        yield _list(page.trust.missing[:12])


def _gates(page: Page) -> Iterator[str]:
    yield "## Gates"
    gates = sorted(page.verdict.gates, key=lambda gate: -gate.ruling)
    rows = [[escaped(str(gate.gate)), MARKS[gate.ruling.word], escaped(gate.why)] for gate in gates]
    yield _table(["Gate", "Ruling", "Why"], rows) if rows else "No gate was set."


def _section(title: str, section: Section) -> Iterator[str]:
    if not section.rows:
        return
    yield f"## {title}"
    yield _table(["Finding", "Value", "Expected", "n", "Status"], [_row(row) for row in section.rows[:ROWS_SHOWN]])
    left = len(section.rows) - ROWS_SHOWN + section.left_out
    if left > 0:
        yield f"{left} more are in verdict.json."


def _row(row: Row) -> list[str]:
    finding = row.finding
    phase = "" if finding.phase == "all" else f" ({finding.phase} the faults)"
    return [
        escaped(finding.title) + phase,
        figure(finding.value, finding.unit),
        escaped(finding.expected),
        "" if finding.n is None else f"{finding.n:,}",
        MARKS[row.status],
    ]


def _latency(section: Section) -> Iterator[str]:
    if section.latency:
        yield "## Performance metrics"
        yield "Milliseconds; percentiles are exact, from every request. A dash: too few requests for that percentile."
        rows = []
        for line in section.latency[:ROWS_SHOWN]:
            values = [line.cells[name].finding.value if name in line.cells else None for name in FIGURES]
            shown = ["–" if value is None else figure(value) for value in values]
            rows.append([escaped(line.step), line.kind, line.phase, f"{line.n or 0:,}", *shown])
        yield _table(["Step", "Measure", "Phase", "n", *FIGURES], rows)
    yield from _section("Performance under faults", section)


def _pictures(page: Page, folder: Path) -> Iterator[str]:
    drawn = [chart for chart in page.charts.values() if (folder / FOLDER / f"{chart.id}.svg").is_file()]
    if drawn:
        yield "## Charts"
        yield from (f"![{chart.title}]({FOLDER}/{chart.id}.svg)" for chart in drawn)


def _conclusion(page: Page) -> Iterator[str]:
    if page.recommendations:
        yield "## Recommendations"
        yield _list(page.recommendations[:15])
    yield "## Production readiness"
    yield "From the newest run of each scenario in this run's folder; never typed."
    yield _table(["Area", "State"], [[area.name, area.state] for area in page.conclusion.areas])
    yield f"**Conclusion: {page.conclusion.decision}.**"
    yield _list(page.conclusion.reasons)


def _list(texts: list[str]) -> str:
    return "\n".join(f"- {escaped(text)}" for text in texts)


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
