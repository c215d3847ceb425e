"""The page as one HTML file that needs nothing else."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from markupsafe import Markup

from harness.report import runtime, theme
from harness.report.charts.chart import fault_rows
from harness.report.findings import FIGURES
from harness.report.moments import Course
from harness.report.page import Page
from harness.report.templating import asset, environment, style

CONTENTS = {
    "glance": "At a glance",
    "configuration": "Configuration",
    "gates": "Gates",
    "success": "Success",
    "performance": "Performance",
    "connections": "Connections",
    "redis": "Redis",
    "data": "Data",
    "faults": "Under faults",
    "security": "Isolation and API",
    "resources": "Resources",
    "trust": "Trust",
    "other": "Other",
    "comparison": "Before and after",
    "timeline": "Timeline",
    "slowest": "Slowest",
    "tenants": "Tenants",
    "files": "Evidence files",
    "recommendations": "Recommendations",
    "readiness": "Readiness",
    "conclusion": "Conclusion",
}
ONLY_WITH_ROWS = ("faults", "security", "other")


def html(page: Page) -> str:
    """The whole file."""
    leaks = next((row for row in page.sections["connections"].rows if row.finding.name == "leaks"), None)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            contents=_contents(page),
            gates=sorted(page.verdict.gates, key=lambda gate: -gate.ruling),
            figures=FIGURES,
            steps=_steps(page),
            leak_status={"met": "pass", "differs": "fail"}.get(leaks.status, leaks.status) if leaks else "unknown",
            style=style(),
            theme_script=asset("theme.js"),
            script=asset("report.js"),
            data=_trusted(runtime.packed_json(payload(page))),
            runtime=_trusted(runtime.vega_runtime()),
        )
    )


def payload(page: Page) -> dict[str, Any]:
    """What the page's script works on: charts without their data, the data once, the tenants."""
    drawn = {id: chart for id, chart in page.charts.items() if chart.spec}
    datasets: dict[str, Any] = {"faults": fault_rows(page.course)}
    for chart in drawn.values():
        datasets |= chart.datasets
    return {
        "config": theme.vega_config(),
        "window": _window(page.course),
        "charts": {
            id: {"spec": chart.spec, "uses": ["faults", *chart.datasets], "on_time": chart.on_time}
            for id, chart in drawn.items()
        },
        "datasets": datasets,
        "tenants": [{item.name: getattr(tenant, item.name) for item in fields(tenant)} for tenant in page.tenants],
    }


def _window(course: Course) -> dict[str, list[float]]:
    """What the charts show first, and the most they can show; a run that recorded nothing has a second of nothing."""
    end_s = max(course.end_s, course.to_s, 1.0)
    return {"load": [course.from_s, course.to_s or end_s], "all": [0.0, end_s]}


def _contents(page: Page) -> list[tuple[str, str]]:
    """The sections that this page has."""
    absent = {name for name in ONLY_WITH_ROWS if not page.sections[name].rows}
    if page.previous is None and page.phase1 is None:
        absent.add("comparison")
    return [(id, title) for id, title in CONTENTS.items() if id not in absent]


def _steps(page: Page) -> list[str]:
    """The steps that the latency charts can show, the one they show first at the head."""
    histogram = page.charts.get("distribution-response")
    rows = histogram.datasets.get("histogram", []) if histogram else []
    return sorted({row["step"] for row in rows}, key=lambda name: (name != "register", name))


def _trusted(letters: str) -> Markup:
    """Base64 has no letter that HTML would read."""
    return Markup(letters)
