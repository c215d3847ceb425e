"""Connections by ledger: over time, against the number of tenants, and the bookkeeping behind the leak formula."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import altair as alt
import numpy as np

from harness.clock import NS_PER_S
from harness.record.reader import Record
from harness.report.charts.chart import (
    Chart,
    absent,
    data,
    finished,
    named_colours,
    near_window,
    over_time,
    rows_of,
    time_axis,
    tooltips,
    upwards,
)
from harness.report.ledgers import WORDS, Claim, Count, claims, counts, thinned
from harness.report.moments import Course
from harness.report.theme import SERIES

BOOKED = ("created", "cached", "closed", "evicted", "leaks")
COLUMNS = ["at, s", "ledger", "connections"]


def connection_charts(record: Record, course: Course) -> Iterator[Chart]:
    """All three, or what is missing."""
    series, booked = counts(record), claims(record)
    acknowledged = _acknowledged(record)
    if series:
        yield _over_time(series, acknowledged, course)
        yield _against_tenants(series, acknowledged, course)
    else:
        yield absent("connections", "Connections over time", "No ledger of connections was recorded.")
    if any(claim.created is not None for claim in booked):
        yield _bookkeeping(booked, course)
    else:
        yield absent("bookkeeping", "The backend's own bookkeeping", "The target tells no connection statistics.")


def _acknowledged(record: Record) -> np.ndarray:
    """The moments, in seconds, at which registrations were acknowledged, in order."""
    frame = record.requests
    ok = frame[(frame["step"] == "register") & (frame["outcome"] == "ok")]
    return np.sort(ok["end_ns"].to_numpy(dtype=float)) / NS_PER_S


def _ledger_colour() -> alt.Color:
    names = [*WORDS.values(), "tenants registered"]
    return alt.Color("ledger:N", scale=named_colours(names, ("var(--one)", "var(--two)", "var(--four)", "var(--six)")))


def _over_time(series: list[Count], acknowledged: np.ndarray, course: Course) -> Chart:
    steps = thinned([(float(at_s), count) for count, at_s in enumerate(acknowledged, 1)])
    tenants = [{"t": round(at_s, 3), "ledger": "tenants registered", "connections": count} for at_s, count in steps]
    rows = [{"t": item.at_s, "ledger": item.ledger, "connections": item.connections} for item in series]
    line = (
        alt.Chart(data("connections"))
        .transform_filter(near_window())
        .mark_line(interpolate="step-after", clip=True, point={"size": 16})
        .encode(
            x=time_axis(),
            y=upwards("connections", "connections, tenants"),
            color=_ledger_colour(),
            strokeDash=alt.condition("datum.ledger == 'tenants registered'", alt.value([5, 4]), alt.value([1, 0])),
            tooltip=tooltips(("t", "at, s"), ("ledger", "ledger"), ("connections", "count")),
        )
    )
    return Chart(
        id="connections",
        title="Connections over time",
        description="Connections to tenants' databases as each ledger tells them, beside the tenants so far.",
        spec=over_time(course, line),
        datasets={"connections": rows + tenants},
        table=rows_of(series, lambda item: [item.at_s, item.ledger, item.connections], COLUMNS, 300),
        on_time=True,
    )


def _against_tenants(series: list[Count], acknowledged: np.ndarray, course: Course) -> Chart:
    rows = [
        {
            "tenants": int(np.searchsorted(acknowledged, item.at_s, side="right")),
            "ledger": item.ledger,
            "connections": item.connections,
        }
        for item in series
        if item.at_s <= course.to_s
    ]
    chart = (
        alt.Chart(data("connections_tenants"))
        .mark_point(opacity=0.6)
        .encode(
            x=alt.X("tenants:Q", title="tenants registered"),
            y=upwards("connections", "connections"),
            color=_ledger_colour(),
            tooltip=tooltips(("tenants", "tenants"), ("ledger", "ledger"), ("connections", "connections")),
        )
    )
    return Chart(
        id="connections-tenants",
        title="Connections against tenants",
        description="Each sample of each ledger until the settling ended. A cloud that rises "
        "past the cache limit is a leak.",
        spec=finished(chart, 200),
        datasets={"connections_tenants": rows},
        table=rows_of(
            rows, lambda row: [row["tenants"], row["ledger"], row["connections"]], ["tenants", *COLUMNS[1:]], 300
        ),
    )


def _bookkeeping(booked: list[Claim], course: Course) -> Chart:
    rows = [
        {"t": claim.at_s, "what": "potential leaks" if name == "leaks" else name, "count": value}
        for claim in booked
        for name, value in asdict(claim).items()
        if name in BOOKED and value is not None
    ]
    names = ["created", "cached", "closed", "evicted", "potential leaks"]
    colours = [*SERIES[:4], "var(--fail)"]
    line = (
        alt.Chart(data("bookkeeping"))
        .transform_filter(near_window())
        .mark_line(interpolate="step-after", clip=True, point={"size": 16})
        .encode(
            x=time_axis(),
            y=upwards("count", "clients"),
            color=alt.Color("what:N", scale=named_colours(names, colours)),
            tooltip=tooltips(("t", "at, s"), ("what", "count of"), ("count", "clients")),
        )
    )
    return Chart(
        id="bookkeeping",
        title="The backend's own bookkeeping",
        description="Clients created, cached, closed and evicted, as claimed; leaks = created - closed - cached.",
        spec=over_time(course, line),
        datasets={"bookkeeping": rows},
        table=rows_of(
            booked,
            lambda item: [item.at_s, item.registrations, *(getattr(item, name) for name in BOOKED)],
            ["at, s", "registrations", *names],
            200,
        ),
        on_time=True,
    )
