"""The comparison of two versions as a page: before beside after, each run a dot, the noise as a bar."""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.compare import RUNS_MIN, Change, Comparison
from harness.report.templating import asset, environment, style

WIDTH, HEIGHT, EDGE = 220.0, 34.0, 8.0
CLEAR = ("worse", "better")
STATUS = {"worse": "fail", "better": "pass", "unknown": "unknown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Where the values of a change lie between the least and the greatest of both sides; from 0 to `WIDTH`."""

    before: list[float]
    after: list[float]


def compare_html(comparison: Comparison) -> str:
    """The whole file. What changed clearly comes first; latency of parts of a run and of failures comes last."""
    changes = sorted(comparison.changes, key=_order)
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            comparison=comparison,
            clear=[change for change in changes if change.word in CLEAR],
            rest=[change for change in changes if change.word not in CLEAR],
            picture=picture,
            status=STATUS,
            size=(WIDTH, HEIGHT),
            runs_min=RUNS_MIN,
            style=style(),
            theme_script=asset("theme.js"),
        )
    )


def picture(change: Change) -> Picture:
    """Both sides on one scale; a scale of one value has its dots in the middle."""
    values = [*change.before.values, *change.after.values]
    least, span = min(values), max(values) - min(values)

    def place(value: float) -> float:
        share = (value - least) / span if span else 0.5
        return round(EDGE + (WIDTH - 2 * EDGE) * share, 1)

    return Picture(before=list(map(place, change.before.values)), after=list(map(place, change.after.values)))


def _order(change: Change) -> tuple[bool, bool, bool]:
    return change.word != "worse", change.phase != "all", change.name.endswith("_ms")
