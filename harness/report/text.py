"""Text that others wrote (a backend's errors, log lines) made fit to be shown: bounded, one line, nothing hidden in it.

Escaping for HTML is the templates' part; this is about characters that no page should carry.
"""

from __future__ import annotations

import re

TEXT_SHOWN = 400

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]")
_PICTURES = 0x2400


def clean(text: str, limit: int = TEXT_SHOWN) -> str:
    """`text` cut to `limit` characters (saying so), control and direction characters made visible."""
    shown = _CONTROL.sub(_picture, text[:limit])
    return shown if len(text) <= limit else f"{shown}… (cut: {len(text):,} characters)"


def _picture(match: re.Match[str]) -> str:
    """A control character's picture from the Unicode block of that name; a line break as a space."""
    code = ord(match[0])
    if match[0] in "\n\r\t":
        return " "
    if code < 0x20:
        return chr(_PICTURES + code)
    return "␡" if code == 0x7F else "�"
