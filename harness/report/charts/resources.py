"""Memory, descriptors, threads and processor time of the processes, and the load generator's own lateness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import altair as alt

from harness.clock import NS_PER_MS, NS_PER_S
from harness.record.reader import Record
from harness.record.schema import Lag, Process
from harness.report.charts.chart import (
    Chart,
    Rows,
    absent,
    data,
    near_window,
    over_time,
    rows_of,
    time_axis,
    tooltips,
    upwards,
)
from harness.report.ledgers import thinned
from harness.report.moments import Course

MIB = 1024 * 1024
QUANTITIES: tuple[tuple[str, str, str, Callable[[Process], float | None]], ...] = (
    ("memory", "Memory", "MiB resident", lambda row: None if row.rss_bytes is None else round(row.rss_bytes / MIB, 1)),
    ("descriptors", "File descriptors", "open", lambda row: row.descriptors),
    ("threads", "Threads", "threads", lambda row: row.threads),
)


def resource_charts(record: Record, course: Course) -> Iterator[Chart]:
    """One chart a quantity, a line a process."""
    by_process: dict[str, list[Process]] = {}
    for row in record.rows(Process):
        by_process.setdefault(row.process, []).append(row)
    for id, title, unit, value in QUANTITIES:
        rows = [
            {"t": round(row.at_ns / NS_PER_S, 3), "process": name, "value": value(row)}
            for name, samples in by_process.items()
            for row in thinned(samples)
            if value(row) is not None
        ]
        yield _lines(id, title, unit, rows, course)
    shares = [row for name, samples in by_process.items() for row in _processor(name, thinned(samples))]
    yield _lines("processor", "Processor time", "% of one core", shares, course)


def _processor(name: str, samples: list[Process]) -> Iterator[dict[str, Any]]:
    """The share of one core between two samples of the same process."""
    for before, after in pairwise(samples):
        passed_s = (after.at_ns - before.at_ns) / NS_PER_S
        if before.pid != after.pid or before.cpu_s is None or after.cpu_s is None or passed_s <= 0:
            continue
        share = 100 * (after.cpu_s - before.cpu_s) / passed_s
        yield {"t": round(after.at_ns / NS_PER_S, 3), "process": name, "value": round(share, 1)}


def _lines(id: str, title: str, unit: str, rows: Rows, course: Course) -> Chart:
    if not rows:
        return absent(f"resource-{id}", title, "No sample of a process was recorded.")
    line = (
        alt.Chart(data(f"resource_{id}"))
        .transform_filter(near_window())
        .mark_line(clip=True, point={"size": 14})
        .encode(
            x=time_axis(),
            y=upwards("value", unit),
            color="process:N",
            tooltip=tooltips(("t", "at, s"), ("process", "process"), ("value", unit)),
        )
    )
    return Chart(
        id=f"resource-{id}",
        title=title,
        description=f"{title} of each process over the run, {unit}.",
        spec=over_time(course, line, height=150),
        datasets={f"resource_{id}": rows},
        table=rows_of(rows, lambda row: [row["t"], row["process"], row["value"]], ["at, s", "process", unit], 200),
        on_time=True,
    )


def lag_chart(record: Record, course: Course) -> Chart:
    """How late the load generator was at its worst in each interval, against the limit of the scenario."""
    limit_ms = record.plan.scenario.load.lag_limit_ms
    rows = [
        {"t": round(row.at_ns / NS_PER_S, 3), "worker": row.worker, "lag": round(row.lag_max_ns / NS_PER_MS, 3)}
        for row in thinned(record.rows(Lag))
    ]
    if not rows:
        return absent("lag", "Lateness of the load generator", "The load generator told nothing of its lateness.")
    bars = (
        alt.Chart(data("lag"))
        .mark_point(clip=True, size=30)
        .encode(
            x=time_axis(),
            y=upwards("lag", "worst lateness, ms"),
            color="worker:N",
            tooltip=tooltips(("t", "at, s"), ("worker", "worker"), ("lag", "worst lateness, ms")),
        )
    )
    return Chart(
        id="lag",
        title="Lateness of the load generator",
        description=f"The generator's worst lateness in each interval; above {limit_ms:g} ms (99th percentile) "
        "the run is generator-limited.",
        spec=over_time(course, bars, height=150),
        datasets={"lag": rows},
        table=rows_of(rows, lambda row: [row["t"], row["worker"], row["lag"]], ["at, s", "worker", "worst, ms"], 200),
        on_time=True,
    )
