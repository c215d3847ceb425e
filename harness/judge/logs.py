"""The logs of a run: lines that match, and how often a line is repeated but for its numbers and ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.record.reader import Record

mentions_redis = re.compile("redis", re.IGNORECASE)

# What differs from one repetition to the next: ids, hexadecimal words, times and other numbers.
_VARYING = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{6,}\b|\d+")


def lines_with(record: Record, pattern: re.Pattern[str], log: str = "backend") -> list[str] | None:
    """The lines of a log that match; null where there is no such log."""
    path = record.folder.logs / f"{log}.log"
    return [line for line in _lines(path) if pattern.search(line)] if path.is_file() else None


def repeated(lines: Iterable[str]) -> Counter[str]:
    """How often each line came, taken without its numbers and ids; most frequent first."""
    return Counter(dict(Counter(_VARYING.sub("#", line) for line in lines).most_common()))


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            yield line.rstrip("\n")
