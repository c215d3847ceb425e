"""What happened when: phases, faults, health checks, probes, notes, on one axis in seconds of the run's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.clock import NS_PER_S
from harness.record.reader import Record
from harness.record.schema import Fault, Health, Note, Phase, Probe
from harness.report.text import clean

LOAD_PHASES = ("steady", "load", "heal", "settle")
MOMENTS_SHOWN = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A phase or a fault in force. `seen` says whether it was seen to take effect (a phase always is)."""

    label: str
    from_s: float
    to_s: float
    seen: bool = True
    healed: bool = True
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A single event: `lane` says of what sort, `good` whether it is what one hopes for."""

    lane: str
    at_s: float
    label: str
    good: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A run's course. `from_s` and `to_s` bound the stretch that charts show first."""

    phases: list[Stretch]
    faults: list[Stretch]
    moments: list[Moment]
    from_s: float
    to_s: float
    end_s: float

    def faults_between(self, from_s: float, to_s: float) -> list[str]:
        return [fault.label for fault in self.faults if fault.from_s <= to_s and fault.to_s >= from_s]


def course(record: Record) -> Course:
    """Everything that has a place on the time axis."""
    end_s = _end_s(record)
    phases = list(_phases(record, end_s))
    shown = [phase for phase in phases if phase.label in LOAD_PHASES]
    return Course(
        phases=phases,
        faults=list(_faults(record, end_s)),
        moments=sorted(_moments(record), key=lambda moment: moment.at_s),
        from_s=min((phase.from_s for phase in shown), default=0.0),
        to_s=max((phase.to_s for phase in shown), default=end_s),
        end_s=end_s,
    )


def _end_s(record: Record) -> float:
    """When the run ended; where it was killed, the last moment that any row tells of."""
    if record.end is not None:
        return record.end.ended_ns / NS_PER_S
    frame = record.requests
    last = [float(frame["end_ns"].max()) if len(frame) else 0.0]
    for kind in (Phase, Fault, Health, Note):
        last += [getattr(row, "at_ns", 0) for row in record.rows(kind)]
    return max(last) / NS_PER_S


def _phases(record: Record, end_s: float) -> Iterator[Stretch]:
    rows = record.rows(Phase)
    ends = [*(row.at_ns / NS_PER_S for row in rows[1:]), end_s]
    for row, to_s in zip(rows, ends, strict=False):
        yield Stretch(label=row.phase, from_s=row.at_ns / NS_PER_S, to_s=max(to_s, row.at_ns / NS_PER_S))


def _faults(record: Record, end_s: float) -> Iterator[Stretch]:
    """From injected to healed; to the run's end where healing is not told."""
    by_fault: dict[str, list[Fault]] = {}
    for row in record.rows(Fault):
        by_fault.setdefault(row.fault, []).append(row)
    for label, rows in by_fault.items():
        states = {row.state: row for row in rows}
        if (injected := states.get("injected")) is None:
            continue
        healed = states.get("healed")
        detail = "; ".join(clean(row.detail) for row in rows if row.detail)
        yield Stretch(
            label=clean(label, 60),
            from_s=injected.at_ns / NS_PER_S,
            to_s=max(healed.at_ns / NS_PER_S if healed else end_s, injected.at_ns / NS_PER_S),
            seen="seen" in states,
            healed=healed is not None,
            detail=detail,
        )


def _moments(record: Record) -> Iterator[Moment]:
    for health in record.rows(Health)[:MOMENTS_SHOWN]:
        answer = f"{health.status or 'no answer'} in {health.duration_ms:.0f} ms"
        yield Moment(
            lane="health checks",
            at_s=health.at_ns / NS_PER_S,
            label=f"{health.endpoint} after {health.registrations_done} registrations: {answer}",
            good=health.ok,
            detail=clean(health.error),
        )
    for probe in record.rows(Probe)[:MOMENTS_SHOWN]:
        label = f"{probe.probe} {'holds' if probe.holds else 'does not hold'} {probe.when} the faults"
        yield Moment(
            lane="probes", at_s=probe.at_ns / NS_PER_S, label=label, good=probe.holds, detail=clean(probe.detail)
        )
    for note in record.rows(Note)[:MOMENTS_SHOWN]:
        bad = note.subject in ("crash", "interrupted", "error", "died")
        yield Moment(
            lane="notes",
            at_s=note.at_ns / NS_PER_S,
            label=clean(note.subject, 60),
            good=not bad,
            detail=clean(note.text),
        )
