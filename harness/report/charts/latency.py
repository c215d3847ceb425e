"""Latency over time and its distribution, response and service time in charts of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt

from harness.report.charts.chart import (
    Chart,
    Drawing,
    Table,
    absent,
    data,
    finished,
    near_window,
    outcome_colour,
    outcome_shape,
    over_time,
    rows_of,
    time_axis,
    tooltips,
    upwards,
)
from harness.report.latency_series import MEASURES, LatencySeries
from harness.report.moments import Course

WHAT = {"response": "Response time", "service": "Service time"}
FROM = {"response": "from the moment it was meant to be sent", "service": "from the moment it was really sent"}
AGGREGATED = "Line: median; band: least to 95th percentile; points: the slowest and those not ok"
STEP_CHOSEN = "datum.step == step"


def latency_charts(series: LatencySeries, course: Course) -> Iterator[Chart]:
    """Response time, then service time: over time, then as a distribution."""
    for measure in MEASURES:
        if series.n == 0:
            yield absent(f"latency-{measure}", f"{WHAT[measure]} over time", "No request was recorded.")
            continue
        yield _over_time(series, course, measure)
        yield _distribution(series, measure)


def _over_time(series: LatencySeries, course: Course, measure: str) -> Chart:
    layers = [] if series.whole else _aggregate(measure)
    every = "Every request is a point" if series.whole else AGGREGATED
    return Chart(
        id=f"latency-{measure}",
        title=f"{WHAT[measure]} over time",
        description=f"{WHAT[measure]}, {FROM[measure]}. {every}; n = {series.n:,}. Failed and unknown ones differ in "
        "colour and shape.",
        spec=over_time(course, *layers, _points(measure), params=[_step(series)]),
        datasets={"requests": series.points, "stretches": series.stretches},
        table=_table(series, measure),
        on_time=True,
    )


def _step(series: LatencySeries) -> alt.Parameter:
    return alt.param(name="step", value=series.steps[0])


def _points(measure: str) -> Drawing:
    shown = tooltips(("tenant", "tenant"), ("step", "step"), ("outcome", "outcome"), ("t", "at, s"), *_milliseconds())
    return (
        alt.Chart(data("requests"))
        .mark_point(filled=True, opacity=0.75, clip=True, cursor="pointer")
        .transform_filter(f"{STEP_CHOSEN} && {near_window()}")
        .encode(
            x=time_axis(),
            y=upwards(measure, "milliseconds"),
            color=outcome_colour(),
            shape=outcome_shape(),
            tooltip=shown,
        )
    )


def _aggregate(measure: str) -> list[Drawing]:
    base = alt.Chart(data("stretches")).transform_filter(f"{STEP_CHOSEN} && {near_window('from')}")
    x = time_axis("from")
    figures = [(f"{measure}_{name}", f"{name}, ms") for name in ("min", "p50", "p95", "max")]
    shown = tooltips(("from", "from, s"), ("to", "to, s"), ("outcome", "outcome"), ("n", "requests"), *figures)
    band = base.mark_area(opacity=0.18, clip=True, interpolate="step-after").encode(
        x=x, y=upwards(f"{measure}_min", "milliseconds"), y2=f"{measure}_p95:Q", color=outcome_colour()
    )
    line = base.mark_line(clip=True, interpolate="step-after", point={"size": 22}).encode(
        x=x, y=upwards(f"{measure}_p50", "milliseconds"), color=outcome_colour(), tooltip=shown
    )
    return [band, line]


def _milliseconds() -> list[tuple[str, str]]:
    return [("response", "response, ms"), ("service", "service, ms")]


def _table(series: LatencySeries, measure: str) -> Table:
    """The aggregate where there is one, else the requests."""
    if series.whole:
        columns = ["at, s", "step", "tenant", "outcome", f"{measure}, ms"]
        requested = ("t", "step", "tenant", "outcome", measure)
        return rows_of(series.points, lambda row: [row[name] for name in requested], columns, 200)
    columns = ["from, s", "to, s", "step", "outcome", "n", "min, ms", "p50, ms", "p95, ms", "max, ms"]
    picked = ("from", "to", "step", "outcome", "n", *(f"{measure}_{name}" for name in ("min", "p50", "p95", "max")))
    return rows_of(series.stretches, lambda row: [row[name] for name in picked], columns, 200)


def _distribution(series: LatencySeries, measure: str) -> Chart:
    rows: list[dict[str, Any]] = [row for row in series.histogram if row["measure"] == measure]
    chart = (
        alt.Chart(data("histogram"))
        .mark_bar(stroke="var(--card)", strokeWidth=0.5)
        .transform_filter(f"{STEP_CHOSEN} && datum.measure == '{measure}'")
        .encode(
            x=alt.X("from:Q", title="milliseconds, logarithmic", scale=alt.Scale(type="log", nice=False), bin="binned"),
            x2="to:Q",
            y=alt.Y("n:Q", title="requests", stack="zero"),
            color=outcome_colour(),
            tooltip=tooltips(("from", "from, ms"), ("to", "to, ms"), ("outcome", "outcome"), ("n", "requests")),
        )
        .add_params(_step(series))
    )
    return Chart(
        id=f"distribution-{measure}",
        title=f"{WHAT[measure]}, distribution",
        description=f"How many requests took how long, {FROM[measure]}; ok and failed apart.",
        spec=finished(chart, 180),
        datasets={"histogram": series.histogram},
        table=rows_of(
            rows,
            lambda row: [row["step"], row["outcome"], row["from"], row["to"], row["n"]],
            ["step", "outcome", "from, ms", "to, ms", "requests"],
            300,
        ),
    )
