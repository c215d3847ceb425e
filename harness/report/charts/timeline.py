"""The run at a glance, and every registration by its steps."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from harness.clock import NS_PER_MS, NS_PER_S
from harness.report.charts.chart import Chart, Drawing, Table, absent, data, over_time, rows_of, time_axis, tooltips
from harness.report.latency_series import records
from harness.report.moments import Course, Stretch

BARS_MAX = 1_500
LANES_MAX = 10
REGISTRATIONS_LISTED = 1_000


def glance_chart(course: Course, stated: list[Stretch]) -> Chart:
    """Phases, faults, what the backend says of Redis, health checks, probes and notes in lanes. `stated` are the
    stretches of the backend's own word about Redis."""
    stretches = _stretches(course, stated)
    if not stretches:
        return absent("glance", "What happened when", "The run recorded no phase.")
    lanes = list(dict.fromkeys([row["lane"] for row in stretches] + [moment.lane for moment in course.moments]))
    y = alt.Y("lane:N", title=None, sort=lanes, axis=alt.Axis(labelLimit=150, labelFontSize=12))
    moments = [
        {
            "t": round(item.at_s, 3),
            "lane": item.lane,
            "label": item.label,
            "detail": item.detail,
            "good": _word(item.good),
        }
        for item in course.moments
    ]
    layers = [*_bars(y), *([_marks(y)] if moments else [])]
    return Chart(
        id="glance",
        title="What happened when",
        description="Phases, faults, health checks and probes over the run. Drag over any time axis to zoom all.",
        spec=over_time(course, *layers, height=26 * len(lanes) + 20, named=False),
        datasets={"lanes": stretches, "moments": moments},
        table=_glance_table(course),
        on_time=True,
    )


def _word(good: bool) -> str:
    return "as hoped" if good else "not as hoped"


def _stretches(course: Course, stated: list[Stretch]) -> list[dict[str, Any]]:
    own = len(course.faults) <= LANES_MAX
    lanes = [("phases", "phase", item) for item in course.phases]
    lanes += [(item.label if own else "faults", "fault", item) for item in course.faults]
    lanes += [("backend on Redis", "stated", item) for item in stated]
    return [
        {
            "lane": lane,
            "sort": sort,
            "label": item.label,
            "from_s": round(item.from_s, 3),
            "to_s": round(item.to_s, 3),
            "detail": item.detail,
        }
        for lane, sort, item in lanes
    ]


def _bars(y: alt.Y) -> list[Drawing]:
    base = alt.Chart(data("lanes"))
    begin = time_axis("from_s")
    scale = alt.Scale(domain=["phase", "fault", "stated"], range=["var(--six)", "var(--band)", "var(--two)"])
    shown = tooltips(("label", "what"), ("from_s", "from, s"), ("to_s", "to, s"), ("detail", "detail"))
    bar = base.mark_bar(height=18, cornerRadius=3, opacity=0.3, clip=True, stroke="var(--card)").encode(
        x=begin, x2="to_s:Q", y=y, color=alt.Color("sort:N", scale=scale, legend=None), tooltip=shown
    )
    wide = "datum.to_s - datum.from_s > 0.07 * (t_to - t_from)"
    named = base.transform_filter(wide).mark_text(align="left", dx=5, fontSize=11, color="var(--ink)", clip=True)
    name = named.encode(x=begin, y=y, text="label:N")
    return [bar, name]


def _marks(y: alt.Y) -> Drawing:
    words = [_word(True), _word(False)]
    return (
        alt.Chart(data("moments"))
        .mark_point(filled=True, size=70, clip=True)
        .encode(
            x=time_axis(),
            y=y,
            color=alt.condition(f"datum.good == '{words[0]}'", alt.value("var(--pass)"), alt.value("var(--fail)")),
            shape=alt.Shape("good:N", scale=alt.Scale(domain=words, range=["circle", "cross"]), legend=None),
            tooltip=tooltips(("label", "what"), ("t", "at, s"), ("good", "is"), ("detail", "detail")),
        )
    )


def _glance_table(course: Course) -> Table:
    rows: list[list[Any]] = [[round(item.from_s, 3), "phase", item.label, ""] for item in course.phases]
    for fault in course.faults:
        rows.append([round(fault.from_s, 3), "fault", f"{fault.label} injected", fault.detail])
        if fault.healed:
            rows.append([round(fault.to_s, 3), "fault", f"{fault.label} healed", ""])
    rows += [[round(item.at_s, 3), item.lane, item.label, item.detail] for item in course.moments]
    return rows_of(sorted(rows, key=lambda row: row[0]), list, ["at, s", "what", "", "detail"], 500)


def registration_chart(requests: pd.DataFrame, course: Course, flow: list[str]) -> Chart:
    """A bar a step, a row a registration; where they are very many, the sign-up alone, then an even choice."""
    title = "Every registration by its steps"
    mine = requests[requests["n"].notna() & requests["step"].isin(flow)]
    if mine.empty:
        return absent("registrations", title, "No registration was sent.")
    drawn, said = _bounded(mine)
    count = int(mine["n"].nunique())
    bars = (
        alt.Chart(data("registrations"))
        .mark_bar(clip=True, cursor="pointer")
        .encode(
            x=time_axis("from"),
            x2="to:Q",
            y=alt.Y("top:Q", title="registration", scale=alt.Scale(reverse=True, zero=False, nice=False, padding=4)),
            y2="bottom:Q",
            color=alt.Color("step:N", sort=flow, scale=alt.Scale(domain=flow)),
            stroke=alt.condition("datum.outcome != 'ok'", alt.value("var(--fail)"), alt.value("transparent")),
            tooltip=tooltips(
                ("n", "registration"), ("tenant", "tenant"), ("step", "step"), ("outcome", "outcome"), ("ms", "ms")
            ),
        )
    )
    return Chart(
        id="registrations",
        title=title,
        description=f"{count:,} registrations from first to last, each step from sending to answer. {said}".strip(),
        spec=over_time(course, bars, height=min(max(9 * count + 60, 160), 520)),
        datasets={"registrations": [_bar(row) for row in records(drawn)]},
        table=_registration_table(mine),
        on_time=True,
    )


def _bounded(mine: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    if len(mine) <= BARS_MAX:
        return mine, "Those that are not ok have a red edge."
    signups = mine[mine["step"] == "register"]
    every = -(-len(signups) // BARS_MAX)
    said = "Only the sign-up is drawn" + (
        f", and of those every {every}th and all that are not ok." if every > 1 else "."
    )
    return signups[(signups["outcome"] != "ok") | (signups["n"] % every == 0)], said


def _bar(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "n": int(row["n"]),
        "top": row["n"] - 0.4,
        "bottom": row["n"] + 0.4,
        "tenant": row["tenant"],
        "step": row["step"],
        "outcome": row["outcome"],
        "from": round(row["start_ns"] / NS_PER_S, 4),
        "to": round(row["end_ns"] / NS_PER_S, 4),
        "ms": round((row["end_ns"] - row["start_ns"]) / NS_PER_MS, 2),
    }


def _registration_table(mine: pd.DataFrame) -> Table:
    signups = mine[mine["step"] == "register"].sort_values("n")
    columns = ["registration", "tenant", "sent at, s", "took, ms", "outcome", "status"]
    return rows_of(
        records(signups),
        lambda row: [
            int(row["n"]),
            row["tenant"],
            round(row["start_ns"] / NS_PER_S, 3),
            round((row["end_ns"] - row["start_ns"]) / NS_PER_MS, 1),
            row["outcome"],
            "-" if pd.isna(row["status"]) else int(row["status"]),
        ],
        columns,
        REGISTRATIONS_LISTED,
    )
