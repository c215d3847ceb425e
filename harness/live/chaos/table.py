"""A program: how each fault was seen, how soon, and how long its healing took, as a Markdown table from real runs.

python -m harness.live.chaos.table RUN...
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.clock import NS_PER_MS
from harness.live.chaos.faults import catalogue
from harness.record.folder import RunFolder
from harness.record.reader import read
from harness.record.schema import Fault


@dataclass(slots=True)
class Times:
    """Milliseconds of every occurrence: until it was seen, from the beginning of its injection, and until it was seen
    healed, from the beginning of its healing."""

    until_seen_ms: list[float] = field(default_factory=list)
    until_healed_ms: list[float] = field(default_factory=list)


def table(rows: Iterable[Fault]) -> str:
    """One line for each fault that was seen, with medians; those of the catalogue that were not are named below."""
    measured = times(rows)
    lines = ["| fault | its effect was seen when | seen after (ms) | healed after (ms) | n |", "|---|---|---|---|---|"]
    lines += [_line(name, fault.seen_by, measured[name]) for name, fault in catalogue().items() if name in measured]
    if missing := [name for name in catalogue() if name not in measured]:
        lines += ["", f"Not seen in these runs: {', '.join(missing)}."]
    return "\n".join(lines)


def times(rows: Iterable[Fault]) -> Mapping[str, Times]:
    """By the catalogue's names."""
    found: dict[str, Times] = {}
    for states in _occurrences(rows):
        if "seen" not in states or "injected" not in states:
            continue
        here = found.setdefault(states["seen"].name, Times())
        here.until_seen_ms.append((states["seen"].at_ns - states["injected"].at_ns) / NS_PER_MS)
        if "healing" in states and "seen_healed" in states:
            here.until_healed_ms.append((states["seen_healed"].at_ns - states["healing"].at_ns) / NS_PER_MS)
    return found


def _occurrences(rows: Iterable[Fault]) -> Iterator[Mapping[str, Fault]]:
    """Each occurrence's rows by state."""
    by_name: dict[str, dict[str, Fault]] = {}
    for row in rows:
        by_name.setdefault(row.fault, {})[row.state] = row
    yield from by_name.values()


def _line(name: str, seen_by: str, measured: Times) -> str:
    seen, healed = _median(measured.until_seen_ms), _median(measured.until_healed_ms)
    return f"| `{name}` | {seen_by} | {seen} | {healed} | {len(measured.until_seen_ms)} |"


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.0f}" if values else "-"


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    # Occurrences of different runs are told apart by their run.
    every = [text for path in arguments for text in _rows(Path(path))]
    sys.stdout.write(table(every) + "\n")
    return 0


def _rows(path: Path) -> Iterator[Fault]:
    for row in read(RunFolder(path)).rows(Fault):
        yield replace(row, fault=f"{path}/{row.fault}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
