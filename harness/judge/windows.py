"""When what was in force: the phases of a run and the windows of its faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.record.reader import Record
from harness.record.schema import Fault, Phase, PhaseName

FOREVER_NS = 2**62

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One occurrence of a fault, from its injection until it was healed. `healed` says whether it ever was."""

    fault: str
    name: str
    begin_ns: int
    end_ns: int
    healed: bool

    @property
    def service(self) -> str:
        """The service that the fault is on: `redis` of `redis.kill`."""
        return self.name.partition(".")[0]

    def covers(self, at_ns: int) -> bool:
        return self.begin_ns <= at_ns < self.end_ns


def windows(record: Record, *services: str) -> list[Window]:
    """The windows of the faults on these services (on any, where none is named), in order of their beginning."""
    found: dict[str, Window] = {}
    for row in record.rows(Fault):
        if row.state == "injected":
            found[row.fault] = Window(
                fault=row.fault, name=row.name, begin_ns=row.at_ns, end_ns=FOREVER_NS, healed=False
            )
        elif row.state == "healed" and (open_ := found.get(row.fault)):
            found[row.fault] = Window(
                fault=row.fault, name=row.name, begin_ns=open_.begin_ns, end_ns=row.at_ns, healed=True
            )
    chosen = [item for item in found.values() if not services or item.service in services]
    return sorted(chosen, key=lambda item: item.begin_ns)


def merged(spans: Sequence[Window]) -> list[tuple[int, int]]:
    """The times in which any of the windows was open, as ordered spans that don't touch."""
    out: list[tuple[int, int]] = []
    for window in sorted(spans, key=lambda item: item.begin_ns):
        if out and window.begin_ns <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], window.end_ns))
        else:
            out.append((window.begin_ns, window.end_ns))
    return out


def overlaps(begin_ns: Times, end_ns: Times, spans: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Which of the intervals touch any of the spans."""
    touched = np.zeros(len(begin_ns), dtype=bool)
    for span_begin, span_end in spans:
        touched |= (end_ns >= span_begin) & (begin_ns < span_end)
    return touched


def phase_began(record: Record, phase: PhaseName) -> int | None:
    """When the run entered a phase first; null if it never did."""
    return next((row.at_ns for row in record.rows(Phase) if row.phase == phase), None)


def final_read_began(record: Record) -> int:
    """Samples count until here: the final read opens every tenant's client again."""
    began = phase_began(record, "final_read")
    return FOREVER_NS if began is None else began
