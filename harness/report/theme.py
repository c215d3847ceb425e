"""The colours, once: for the page (CSS variables), the charts (Vega configuration), and pictures without a page.

Pairs of text and ground keep a contrast of 4.5 to 1 in both themes. Outcomes differ in shape too, never in colour
alone.
"""

from __future__ import annotations

import re
from typing import Any

LIGHT = {
    "ground": "#f6f7f9",
    "card": "#ffffff",
    "ink": "#16202c",
    "muted": "#56616f",
    "line": "#dde2e8",
    "grid": "#e8ecf0",
    "link": "#0b5cad",
    "pass": "#0a7040",
    "pass-ground": "#e3f5ea",
    "fail": "#b3202a",
    "fail-ground": "#fdeaea",
    "unknown": "#865300",
    "unknown-ground": "#fff3d9",
    "band": "#c2410c",
    "one": "#2563b8",
    "two": "#0f8a7e",
    "three": "#a8590b",
    "four": "#7a46c4",
    "five": "#b3266e",
    "six": "#5b6b7c",
}

DARK = {
    "ground": "#0f141a",
    "card": "#182029",
    "ink": "#e8edf2",
    "muted": "#a3afbc",
    "line": "#2d3843",
    "grid": "#26303a",
    "link": "#7db8ff",
    "pass": "#54d08c",
    "pass-ground": "#12301f",
    "fail": "#ff8a8a",
    "fail-ground": "#3a1a1d",
    "unknown": "#f3bd55",
    "unknown-ground": "#362a10",
    "band": "#fb923c",
    "one": "#6ea8f7",
    "two": "#3fc9b9",
    "three": "#e5a256",
    "four": "#b592f2",
    "five": "#f080b4",
    "six": "#93a3b5",
}

SERIES = tuple(f"var(--{name})" for name in ("one", "two", "three", "four", "five", "six"))
OUTCOMES = {"ok": "var(--one)", "failed": "var(--fail)", "unknown": "var(--unknown)"}
SHAPES = {"ok": "circle", "failed": "cross", "unknown": "triangle-up"}

_VARIABLE = re.compile(r"var\(--([a-z-]+)\)")


def css(colours: dict[str, str]) -> str:
    """Declarations of the variables, one theme."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def fixed(text: str, colours: dict[str, str]) -> str:
    """`text` with the variables replaced by a theme's colours, for an image that stands alone."""
    return _VARIABLE.sub(lambda match: colours.get(match[1], match[0]), text)


def vega_config() -> dict[str, Any]:
    """The look of every chart. Colours are variables, so that a change of theme or printing needs no new drawing."""
    text = {"labelColor": "var(--muted)", "titleColor": "var(--muted)", "labelFontSize": 11, "titleFontSize": 11}
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
    return {
        "background": "transparent",
        "font": font,
        "view": {"stroke": "transparent"},
        "axis": {
            **text,
            "gridColor": "var(--grid)",
            "domainColor": "var(--line)",
            "tickColor": "var(--line)",
            "titleFontWeight": 500,
            "titlePadding": 8,
            "labelOverlap": True,
        },
        "axisY": {"domain": False, "ticks": False, "tickCount": 5},
        "axisX": {"grid": False},
        "legend": {**text, "orient": "top", "title": None, "labelFontSize": 12, "symbolSize": 70, "offset": 4},
        "range": {"category": list(SERIES)},
        "line": {"strokeWidth": 2},
        "point": {"filled": True, "size": 28},
        "aria": False,
    }
