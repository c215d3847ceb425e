"""Whether the health endpoint tells the truth: with a dependency seen away from outside it must not say what it said
while everything was there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from harness.clock import NS_PER_MS, NS_PER_S
from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.judge.windows import merged, spans
from harness.record.reader import Record
from harness.record.schema import Gap, Pulse, Redis

NOTICED_WITHIN_NS = 3 * NS_PER_S
JUST_BEFORE_NS = NS_PER_S

Words = set[tuple[int | None, str | None]]


def health_wrong(record: Record) -> list[Finding]:
    """`health_wrong`: answers that say all is well, by status and words, while a dependency is away for long."""
    pulses = [row for row in record.rows(Pulse) if row.what == "dependencies"]
    well = _well(record, pulses)
    away = list(_away(record))
    asked = [(row, name) for row in pulses for name, begin, end in away if begin <= row.at_ns and _end(row) <= end]
    facts = [
        Evidence(
            text=f"with {name} away it says {row.status}, {row.said or 'nothing'}",
            source="observe.jsonl",
            at_ns=row.at_ns,
        )
        for row, name in asked
        if row.status is not None and (row.status, row.said) in well
    ]
    return [
        counted(
            "health_wrong",
            "Health answers that hide a missing dependency",
            facts,
            n=len(asked),
            section="success",
            missing=[] if pulses or not record.plan.target.health.dependencies else ["nobody asked it"],
            not_applicable=_idle(record, pulses, well, asked),
        )
    ]


def _idle(record: Record, pulses: list[Pulse], well: Words, asked: list[tuple[Pulse, str]]) -> str:
    if record.plan.target.health.dependencies is None:
        return "the target file names no endpoint that tells of dependencies"
    if not pulses:
        return ""
    if not well:
        return "nobody asked it before the first fault"
    return "" if asked else f"no dependency was away for longer than {NOTICED_WITHIN_NS // NS_PER_S} s"


def _end(row: Pulse) -> int:
    return row.at_ns + round(row.duration_ms * NS_PER_MS)


def _well(record: Record, pulses: list[Pulse]) -> Words:
    """What it says before the first fault. Afterwards it may rightly say less: a fallback can be permanent."""
    first_ns = min((begin for begin, _ in spans(record)), default=0)
    return {(row.status, row.said) for row in pulses if _end(row) < first_ns - JUST_BEFORE_NS}


def _away(record: Record) -> Iterator[tuple[str, int, int]]:
    """Times in which our own probes saw a dependency away, from when the target should have noticed."""
    redis = [(row.at_ns, row.up) for row in record.rows(Redis)]
    postgres = [(row.at_ns, False) for row in record.rows(Gap) if row.source == "postgres"]
    postgres += [(int(at_ns), True) for at_ns in record.connections["at_ns"].unique()]
    for name, samples in (("Redis", redis), ("Postgres", postgres)):
        for begin, end in merged(_down(sorted(samples))):
            if end - begin > NOTICED_WITHIN_NS:
                yield name, begin + NOTICED_WITHIN_NS, end


def _down(samples: list[tuple[int, bool]]) -> Iterator[tuple[int, int]]:
    """From each sample that found it away to the next one, where that found it away too."""
    for (begin, was_up), (end, is_up) in pairwise(samples):
        if not was_up and not is_up:
            yield begin, end
