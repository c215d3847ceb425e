"""The backend's attempts to reach Redis: when each came, and how long after the one before."""

from __future__ import annotations

import altair as alt

from harness.report.charts.chart import Chart, Drawing, Table, absent, data, over_time, time_axis, tooltips, upwards
from harness.report.moments import Course
from harness.report.redis_attempts import ANSWERS, Attempt


def redis_chart(attempts: list[Attempt], course: Course) -> Chart:
    """A point an attempt; its height is the wait before it."""
    title = "Connection attempts to Redis"
    if not attempts:
        return absent("redis", title, "No connection from the backend to Redis was seen on the wire.")
    return Chart(
        id="redis",
        title=title,
        description="Every connection that the backend opened towards Redis, as the fault proxy saw it; the height is "
        "the time since the one before ended.",
        spec=over_time(course, _waits(), _points(), _numbers(), height=210),
        datasets={"redis_attempts": [_row(attempt) for attempt in attempts]},
        table=_table(attempts),
        on_time=True,
    )


def _row(attempt: Attempt) -> dict[str, object]:
    return {
        "t": attempt.at_s,
        "wait": attempt.since_ms or 0,
        "number": attempt.number,
        "answer": attempt.answer,
        "ended": attempt.ended,
    }


def _table(attempts: list[Attempt]) -> Table:
    return Table(
        columns=["attempt", "at, s", "after the one before, ms", "Redis", "during", "end"],
        rows=[
            [
                item.number,
                item.at_s,
                item.since_ms,
                item.answer,
                item.during or "-",
                item.ended,
            ]
            for item in attempts
        ],
    )


def _height() -> alt.Y:
    return upwards("wait", "wait before it, ms")


def _waits() -> Drawing:
    base = alt.Chart(data("redis_attempts"))
    return base.mark_rule(color="var(--line)", clip=True).encode(x=time_axis(), y=_height(), y2=alt.datum(0))


def _points() -> Drawing:
    colours = alt.Scale(domain=list(ANSWERS), range=["var(--one)", "var(--fail)", "var(--six)"])
    shapes = alt.Scale(domain=list(ANSWERS), range=["circle", "cross", "triangle-up"])
    shown = tooltips(
        ("number", "attempt"),
        ("t", "at, s"),
        ("wait", "after the one before, ms"),
        ("answer", "Redis"),
        ("ended", "end"),
    )
    return (
        alt.Chart(data("redis_attempts"))
        .mark_point(filled=True, size=80, clip=True)
        .encode(
            x=time_axis(),
            y=_height(),
            color=alt.Color("answer:N", scale=colours),
            shape=alt.Shape("answer:N", scale=shapes),
            tooltip=shown,
        )
    )


def _numbers() -> Drawing:
    return (
        alt.Chart(data("redis_attempts"))
        .mark_text(dy=-11, fontSize=11, color="var(--muted)", clip=True)
        .encode(x=time_axis(), y=_height(), text="number:Q")
    )
