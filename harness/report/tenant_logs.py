"""Log lines that name a tenant, found in one pass over the run's logs."""

from __future__ import annotations

import re
from pathlib import Path

from harness.report.text import clean

LINES_A_TENANT = 8
BYTES_A_LOG = 16 * 1024 * 1024
LINE_SHOWN = 240

LogLine = tuple[str, int, str]
_WORD = re.compile(r"[\w.@+-]{6,}")


def log_lines(logs: Path, keys: dict[str, str]) -> dict[str, list[LogLine]]:
    """Label of a tenant -> (file, line number, text) of the first lines that hold one of its `keys` as a word."""
    found: dict[str, list[LogLine]] = {}
    for path in sorted(logs.glob("*.log")):
        for number, line in enumerate(_lines(path), 1):
            for name in {keys[word] for word in _WORD.findall(line) if word in keys}:
                mine = found.setdefault(name, [])
                if len(mine) < LINES_A_TENANT:
                    mine.append((path.name, number, clean(line.strip(), LINE_SHOWN)))
    return found


def excerpt(logs: Path, pattern: str, limit: int) -> list[LogLine]:
    """The first lines of any log that match, for a section that quotes the backend."""
    matches = re.compile(pattern)
    found: list[LogLine] = []
    for path in sorted(logs.glob("*.log")):
        for number, line in enumerate(_lines(path), 1):
            if len(found) == limit:
                return found
            if matches.search(line):
                found.append((path.name, number, clean(line.strip(), LINE_SHOWN)))
    return found


def _lines(path: Path) -> list[str]:
    """The beginning of a log, whatever bytes are in it."""
    with path.open("rb") as file:
        return file.read(BYTES_A_LOG).decode("utf-8", errors="replace").splitlines()
