"""Numbers as people read them. The exact value always stands beside it in the page (`<data value>`)."""

from __future__ import annotations

import re
from datetime import datetime

NOTHING = "unknown"
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


def figure(value: float | None, unit: str = "") -> str:
    """`14,033 ms`, `0`, `12.34 s`, `unknown`: no more digits than mean something."""
    if value is None:
        return NOTHING
    if unit == "bytes":
        return size(value)
    return f"{number(value)} {unit}".strip()


def number(value: float) -> str:
    """Whole numbers with separators; others with two to three digits that count."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"


def size(value: float) -> str:
    """Bytes in the unit that leaves one to four digits."""
    scaled, unit = float(value), _BYTES[0]
    for unit in _BYTES:
        if abs(scaled) < 1024 or unit == _BYTES[-1]:
            break
        scaled /= 1024
    return f"{number(scaled)} {unit}" if unit != "B" else f"{scaled:,.0f} B"


def exact(value: float | None) -> str:
    """The value as `verdict.json` writes it, for machines that read the page."""
    return "" if value is None else repr(value)


def date(iso: str) -> str:
    """`24 November 2026, 22:01 UTC`; the text itself where it is no date."""
    try:
        at = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def expected_number(text: str) -> float | None:
    """The number that an expectation names (`0`, `exactly 5`), where it names just one and no bound."""
    match = re.fullmatch(r"\s*(?:exactly\s+|==\s*)?(-?\d+(?:\.\d+)?)\s*", text)
    return float(match[1]) if match else None
