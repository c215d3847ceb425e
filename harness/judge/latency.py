"""Latency: exact nearest-rank percentiles from the raw rows, with n; none where n is too small to have one.

Nearest rank: the smallest value with at least p percent of the values at or below it, i.e. the `ceil(p/100 * n)`-th of
the sorted values (https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method). Response time counts from the
intended start, service time from the actual one; they are never mixed, nor are acknowledged and other requests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.clock import NS_PER_MS
from harness.judge.generator import limited
from harness.judge.model import Finding
from harness.judge.windows import overlaps, spans
from harness.record.reader import Record
from harness.record.schema import REGISTER

N_MIN = {50: 2, 95: 20, 99: 100}
Milliseconds = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measure:
    """One of the three ways to look at a step's requests."""

    infix: str
    what: str
    start: str
    acknowledged: bool


MEASURES = (
    Measure("", "response time", "intended_ns", True),
    Measure("_service", "service time", "start_ns", True),
    Measure("_failed", "response time of failed ones", "intended_ns", False),
)


def latency(record: Record) -> list[Finding]:
    """Every step's latency over the whole run, and where there were faults before, during and after them."""
    frame = record.requests[["step", "outcome", "intended_ns", "start_ns", "end_ns"]]
    limit = limited(record)
    missing = [limit] if limit else []
    return [
        finding
        for phase, rows in by_phase(record, frame)
        for step, of_step in _by_step(rows, REGISTER)
        for measure in MEASURES
        for finding in _findings(step, measure, of_step, phase, missing)
    ]


def by_phase(record: Record, frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """All requests; where there were faults, those that ended before the first, touched one, began after the last.

    What lies between two faults is only among all.
    """
    yield "all", frame
    broken = spans(record)
    if not broken:
        return
    begin, end = frame["start_ns"].to_numpy(), frame["end_ns"].to_numpy()
    yield "before", frame[end < broken[0][0]]
    yield "during", frame[overlaps(begin, end, broken)]
    yield "after", frame[begin >= broken[-1][1]]


def nearest_rank(ordered: Milliseconds, percent: float, *, n_min: int = 0) -> float | None:
    """The percentile of ordered values, or null where there are fewer than `n_min`."""
    n = len(ordered)
    if n == 0 or n < n_min:
        return None
    return float(ordered[math.ceil(percent / 100 * n) - 1])


def _by_step(frame: pd.DataFrame, first: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each step, the registration first; that one even where there are none."""
    groups = {str(step): rows for step, rows in frame.groupby("step", observed=True, sort=True)}
    yield first, groups.pop(first, frame[:0])
    yield from groups.items()


def _findings(step: str, measure: Measure, rows: pd.DataFrame, phase: str, missing: list[str]) -> Iterator[Finding]:
    chosen = rows[(rows["outcome"] == "ok") == measure.acknowledged]
    if not measure.acknowledged and not len(chosen):
        return
    took = np.sort((chosen["end_ns"] - chosen[measure.start]).to_numpy(dtype=float) / NS_PER_MS)
    n = len(took)
    for name, value in _figures(took).items():
        lacks = [] if value is not None else [f"{n} such {step} requests are too few"]
        yield Finding(
            name=f"{step}{measure.infix}_{name}_ms",
            title=f"{step} {name}, {measure.what}",
            value=value,
            unit="ms",
            n=n,
            section="performance",
            phase=phase,
            missing=[*missing, *lacks],
        )


def _figures(ordered: Milliseconds) -> dict[str, float | None]:
    n = len(ordered)
    return {
        "avg": float(ordered.mean()) if n else None,
        "min": float(ordered[0]) if n else None,
        "max": float(ordered[-1]) if n else None,
        **{f"p{percent}": nearest_rank(ordered, percent, n_min=n_min) for percent, n_min in N_MIN.items()},
    }
