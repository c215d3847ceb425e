"""The templates' environment: escaping on, undefined names an error, and the filters that they share."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.report import figures, theme
from harness.report.text import clean


@cache
def environment() -> Environment:
    """For HTML. Everything is escaped; what is trusted is said to be so by `asset`."""
    made = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "figure": figures.figure,
        "number": figures.number,
        "exact": figures.exact,
        "date": figures.date,
        "clean": lambda text, limit=400: clean(str(text), limit),
        "cell": cell,
        "source_link": source_link,
    }
    return made


def asset(name: str) -> Markup:
    """A style or script of this package, as it is: no text of a run is in it."""
    environment_ = environment()
    assert environment_.loader is not None
    return Markup(environment_.loader.get_source(environment_, name)[0])


def style() -> Markup:
    """The style sheet with both themes before it; a printed page is light."""
    light, dark = theme.css(theme.LIGHT), theme.css(theme.DARK)
    themes = (
        f":root{{color-scheme:light;{light}}}[data-theme=dark]{{color-scheme:dark;{dark}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        f"@media print{{:root,[data-theme=dark]{{color-scheme:light;{light}}}}}"
    )
    return Markup(themes) + asset("report.css")


def cell(value: Any) -> str:
    """A value in the table behind a chart: exact, so that it can be copied."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else clean(str(value), 200)


def source_link(source: str) -> str:
    """Where a source that a finding names lies beside the report. Never a link with a scheme of its own."""
    path = source if "/" in source else f"events/{source}" if source.endswith(".jsonl") else source
    return quote(path.lstrip("/"), safe="/")
