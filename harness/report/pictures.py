"""The charts as SVG files that stand alone, for Markdown and for slides: light, with the data in them."""

from __future__ import annotations

import json
from pathlib import Path

import vl_convert

from harness.record.folder import write_whole
from harness.report import theme
from harness.report.charts.chart import Chart, fault_rows
from harness.report.page import Page

WIDTH = 760
FOLDER = "charts"


def write_pictures(page: Page, folder: Path) -> list[Path]:
    """`charts/<id>.svg` for each chart that has data."""
    (folder / FOLDER).mkdir(exist_ok=True)
    written = []
    for chart in page.charts.values():
        if chart.spec:
            path = folder / FOLDER / f"{chart.id}.svg"
            write_whole(path, picture(chart, page))
            written.append(path)
    return written


def picture(chart: Chart, page: Page) -> str:
    """The SVG text of one chart."""
    spec = chart.spec | {
        "datasets": {"faults": fault_rows(page.course)} | chart.datasets,
        "width": WIDTH,
        "config": theme.vega_config() | {"background": theme.LIGHT["card"]},
        "title": {"text": chart.title, "anchor": "start", "color": theme.LIGHT["ink"]},
    }
    return str(vl_convert.vegalite_to_svg(json.loads(theme.fixed(json.dumps(spec), theme.LIGHT))))
