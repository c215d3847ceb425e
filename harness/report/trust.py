"""Whether the figures of a run can be trusted: did the load go out on time, and is the evidence complete?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from harness.gate import Ruling
from harness.judge.model import Verdict
from harness.record.reader import Record
from harness.record.schema import Gap
from harness.report.text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One ground of trust, and what it says of this run."""

    name: str
    ruling: Ruling
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """All grounds; `missing` says in sentences what a reader must do without."""

    grounds: list[Ground]
    missing: list[str]

    @property
    def ruling(self) -> Ruling:
        return max((ground.ruling for ground in self.grounds), default=Ruling.UNKNOWN)


def trust(record: Record, verdict: Verdict) -> Trust:
    """What the record and the verdict say of themselves."""
    missing = list(dict.fromkeys(_missing(record, verdict)))
    return Trust(
        grounds=[_generator(record, verdict), _end(record), _evidence(missing), _faults(verdict)], missing=missing
    )


def _generator(record: Record, verdict: Verdict) -> Ground:
    finding = verdict.finding("generator_lag")
    limit_ms = record.plan.scenario.load.lag_limit_ms
    if finding is None or finding.value is None:
        return Ground(name="Load sent on time", ruling=Ruling.UNKNOWN, text="the generator's lateness is not known")
    ruling = Ruling.PASS if finding.value <= limit_ms else Ruling.UNKNOWN
    text = f"99th percentile of lateness {finding.value:.1f} ms, limit {limit_ms:g} ms"
    return Ground(name="Load sent on time", ruling=ruling, text=text)


def _end(record: Record) -> Ground:
    end = record.end
    if end is None:
        return Ground(name="Run completed", ruling=Ruling.UNKNOWN, text="no end was written: the run was killed")
    ruling = Ruling.PASS if end.reason == "completed" else Ruling.UNKNOWN
    return Ground(name="Run completed", ruling=ruling, text=clean(": ".join(filter(None, [end.reason, end.detail]))))


def _evidence(missing: list[str]) -> Ground:
    if not missing:
        return Ground(name="Evidence complete", ruling=Ruling.PASS, text="every source told what was asked of it")
    plural = "piece is" if len(missing) == 1 else "pieces are"
    return Ground(name="Evidence complete", ruling=Ruling.UNKNOWN, text=f"{len(missing)} {plural} missing, see below")


def _faults(verdict: Verdict) -> Ground:
    unseen = verdict.finding("faults_unseen")
    if unseen is None or unseen.value is None:
        return Ground(name="Faults took effect", ruling=Ruling.UNKNOWN, text="nothing tells whether faults took effect")
    if unseen.value:
        text = f"{unseen.value:g} of {unseen.n or '?'} were not seen to take effect"
        return Ground(name="Faults took effect", ruling=Ruling.UNKNOWN, text=text)
    text = f"{unseen.n} planned, {unseen.n} seen" if unseen.n else "none was planned"
    return Ground(name="Faults took effect", ruling=Ruling.PASS, text=text)


def _missing(record: Record, verdict: Verdict) -> Iterator[str]:
    """What the folder lacks, and every gate that can't be told. What no gate asks for is told beside its finding."""
    yield from (clean(text) for text in verdict.doubts)
    if record.torn:
        files = ", ".join(sorted({torn.file for torn in record.torn}))
        yield f"{len(record.torn)} torn lines in {files}"
    gaps = Counter(row.source for row in record.rows(Gap))
    for source, count in gaps.items():
        yield f"{count} samples of {clean(source, 60)} could not be taken"
    yield from (clean(gate.why) for gate in verdict.gates if gate.ruling is Ruling.UNKNOWN)
