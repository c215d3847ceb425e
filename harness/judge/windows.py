"""When what was in force: the phases of a run and the windows of its faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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
    service: str
    begin_ns: int
    end_ns: int
    healed: bool

    @property
    def span(self) -> tuple[int, int]:
        return self.begin_ns, self.end_ns

    def covers(self, at_ns: int) -> bool:
        return self.begin_ns <= at_ns < self.end_ns


def spans(record: Record, *services: str) -> list[tuple[int, int]]:
    """The times in which any fault on these services was in force."""
    return merged(window.span for window in windows(record, *services))


def windows(record: Record, *services: str) -> list[Window]:
    """The windows of the faults on these services (on any, where none is named), in order of their beginning.

    Those that a check after the load brings about are a matter of that check.
    """
    found: dict[str, Window] = {}
    until_ns = rest_ended(record)
    for row in record.rows(Fault):
        if row.state == "injected" and row.at_ns < until_ns:
            found[row.fault] = Window(
                fault=row.fault,
                name=row.name,
                service=_service(record, row),
                begin_ns=row.at_ns,
                end_ns=FOREVER_NS,
                healed=False,
            )
        elif row.state == "healed" and row.fault in found:
            found[row.fault] = replace(found[row.fault], end_ns=row.at_ns, healed=True)
    chosen = [item for item in found.values() if not services or item.service in services]
    return sorted(chosen, key=lambda item: item.begin_ns)


def _service(record: Record, row: Fault) -> str:
    """The service that a fault is on: `redis` of `redis.kill`; of a fault on the network that of the edge it names."""
    service = row.name.partition(".")[0]
    label = row.fault.partition("#")[0]
    for planned in record.plan.scenario.faults:
        if label in (planned.id, planned.fault) and isinstance(edge := planned.options.get("edge"), str):
            return edge
    return service


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The times that any of the spans covers, as ordered spans that don't touch."""
    out: list[tuple[int, int]] = []
    for begin_ns, end_ns in sorted(spans):
        if out and begin_ns <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end_ns))
        else:
            out.append((begin_ns, end_ns))
    return out


def overlaps(begin_ns: Times, end_ns: Times, covered: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Which of the intervals touch any of the spans."""
    touched = np.zeros(len(begin_ns), dtype=bool)
    for span_begin, span_end in covered:
        touched |= (end_ns >= span_begin) & (begin_ns < span_end)
    return touched


def phase_began(record: Record, phase: PhaseName) -> int | None:
    """When the run entered a phase first; null if it never did."""
    return next((row.at_ns for row in record.rows(Phase) if row.phase == phase), None)


def rest_ended(record: Record) -> int:
    """Samples count until here: checks break things again, and the final read opens every tenant's client."""
    began = [at_ns for at_ns in (phase_began(record, "checks"), phase_began(record, "final_read")) if at_ns is not None]
    return min(began, default=FOREVER_NS)
