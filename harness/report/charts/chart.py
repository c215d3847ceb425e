"""What a chart is, and what every chart on a time axis has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

from harness.report.moments import Course
from harness.report.theme import OUTCOMES, SHAPES

HEIGHT = 230
Rows = list[dict[str, Any]]
Drawing = Any  # altair says no more of what its methods return


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The numbers behind a chart. `note` says what was left out, if anything was."""

    columns: list[str]
    rows: list[list[Any]]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart and its alternative for those who can't see it. `missing` says why there is nothing to draw.

    `datasets` are the named data that `spec` refers to; charts of a page share them by name.
    """

    id: str
    title: str
    description: str
    spec: dict[str, Any] = field(default_factory=dict)
    datasets: dict[str, Rows] = field(default_factory=dict)
    table: Table | None = None
    on_time: bool = False
    missing: str = ""


def absent(id: str, title: str, missing: str) -> Chart:
    """A chart whose data were not recorded."""
    return Chart(id=id, title=title, description=missing, missing=missing)


def data(name: str) -> alt.NamedData:
    return alt.NamedData(name=name)


def time_axis(field_name: str = "t") -> alt.X:
    """Seconds of the run, within the window that the whole page shares (`t_from`, `t_to`)."""
    window = {"domainMin": alt.ExprRef("t_from"), "domainMax": alt.ExprRef("t_to")}
    scale = alt.Scale(nice=False, zero=False, **window)
    return alt.X(f"{field_name}:Q", title="seconds since the run began", scale=scale, axis=alt.Axis(tickCount=8))


def upwards(field_name: str, title: str) -> alt.Y:
    """A vertical axis from zero, with room above the greatest value."""
    return alt.Y(f"{field_name}:Q", title=title, scale=alt.Scale(domainMin=0, padding=10))


def outcome_colour() -> alt.Color:
    return alt.Color("outcome:N", scale=alt.Scale(domain=list(OUTCOMES), range=list(OUTCOMES.values())))


def outcome_shape() -> alt.Shape:
    return alt.Shape("outcome:N", scale=alt.Scale(domain=list(SHAPES), range=list(SHAPES.values())))


def named_colours(names: Sequence[str], colours: Sequence[str]) -> alt.Scale:
    return alt.Scale(domain=list(names), range=list(colours[: len(names)]))


def over_time(
    course: Course,
    *layers: Drawing,
    height: int = HEIGHT,
    params: Sequence[alt.Parameter] = (),
    named: bool = True,
) -> dict[str, Any]:
    """The layers over the fault bands (`named` or not), with the shared window and a brush that chooses a new one."""
    brush = alt.selection_interval(name="brush", encodings=["x"], mark=alt.BrushConfig(fill="var(--one)"))
    first, *others = layers
    chart = alt.layer(*(bands(named) if course.faults else ()), first.add_params(brush), *others)
    window = (alt.param(name="t_from", value=course.from_s), alt.param(name="t_to", value=course.to_s))
    return finished(chart.add_params(*window, *params), height)


def bands(named: bool) -> list[Drawing]:
    """Each fault as a band, with its name at the top."""
    base = alt.Chart(data("faults"))
    ground = base.mark_rect(color="var(--band)", opacity=0.11, clip=True)
    name = base.mark_text(align="left", baseline="top", dx=4, dy=3, fontSize=11, color="var(--band)", clip=True)
    begin = time_axis("from_s")
    band = ground.encode(x=begin, x2="to_s:Q", tooltip=fault_tooltip())
    # The name stands where the band enters the window.
    named_at = name.transform_calculate(shown_s="max(datum.from_s, t_from)").transform_filter("datum.to_s > t_from")
    label = named_at.encode(x=time_axis("shown_s"), y=alt.value(0), text="label:N")
    return [band, label] if named else [band]


def near_window(field_name: str = "t") -> str:
    """A filter that lets the vertical axis follow the window; what lies just before it stays, so that lines enter."""
    return f"datum['{field_name}'] <= t_to && datum['{field_name}'] >= 2 * t_from - t_to"


def fault_tooltip() -> list[alt.Tooltip]:
    return tooltips(("label", "fault"), ("from_s", "from, s"), ("to_s", "to, s"), ("detail", "detail"))


def tooltips(*fields: tuple[str, str]) -> list[alt.Tooltip]:
    return [alt.Tooltip(field=name, title=title) for name, title in fields]


def finished(chart: Any, height: int = HEIGHT) -> dict[str, Any]:
    """The specification; as wide as the page, data left to the page. The tests hold it to Vega-Lite's schema: asking
    for that again in each report would cost half a second."""
    spec: dict[str, Any] = chart.properties(width="container", height=height).to_dict(validate=False)
    spec.pop("config", None)
    return spec


def fault_rows(course: Course) -> Rows:
    return [
        {
            "label": fault.label,
            "from_s": round(fault.from_s, 3),
            "to_s": round(fault.to_s, 3),
            "detail": ("" if fault.seen else "not seen to take effect; ") + fault.detail,
        }
        for fault in course.faults
    ]


def rows_of(items: Sequence[Any], pick: Callable[[Any], list[Any]], columns: list[str], limit: int = 400) -> Table:
    """A table of the first `limit` items, saying how many there are besides."""
    note = f"The first {limit} of {len(items):,}." if len(items) > limit else ""
    return Table(columns=columns, rows=[pick(item) for item in items[:limit]], note=note)
