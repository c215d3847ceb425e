"""Latency: exact nearest-rank percentiles from the raw rows, with n; none where n is too small to have one.

Nearest rank: the smallest value with at least p percent of the values at or below it, i.e. the `ceil(p/100 * n)`-th of
the sorted values (https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method).
"""

from __future__ import annotations

import math

import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.model import Finding
from harness.record.reader import Record

N_MIN = {50: 2, 95: 20, 99: 100}


def nearest_rank(sorted_values: np.ndarray, percent: int) -> float | None:
    """The percentile, or null where fewer than `N_MIN` values make it mean nothing."""
    n = len(sorted_values)
    if n < N_MIN[percent]:
        return None
    return float(sorted_values[math.ceil(percent / 100 * n) - 1])


def latency(record: Record) -> list[Finding]:
    """Service and response time of every step's acknowledged requests, in milliseconds."""
    frame = record.requests
    findings: list[Finding] = []
    for step in ["register", *sorted(set(frame["step"].astype(str)) - {"register"})]:
        ok = frame[(frame["step"] == step) & (frame["outcome"] == "ok")]
        service = np.sort((ok["end_ns"] - ok["start_ns"]).to_numpy(dtype=float) / NS_PER_MS)
        response = np.sort((ok["end_ns"] - ok["intended_ns"]).to_numpy(dtype=float) / NS_PER_MS)
        findings += _of(step, step, service, "service time")
        findings += _of(f"{step}_response", step, response, "response time")
    return findings


def _of(prefix: str, step: str, values: np.ndarray, what: str) -> list[Finding]:
    n = len(values)
    figures: dict[str, float | None] = {
        "avg": float(values.mean()) if n else None,
        "min": float(values[0]) if n else None,
        "max": float(values[-1]) if n else None,
        **{f"p{percent}": nearest_rank(values, percent) for percent in N_MIN},
    }
    return [
        Finding(
            name=f"{prefix}_{name}_ms",
            title=f"{step} {name}, {what}",
            value=value,
            unit="ms",
            n=n,
            section="performance",
            missing=[] if value is not None else [f"{n} acknowledged {step} requests are too few"],
        )
        for name, value in figures.items()
    ]
