"""Whether the load was sent on time. A generator that was late measured itself, not the backend.

Lateness is the highest percentile that the number of observations carries: p99 from 100 on, p95 from 20 on, else the
maximum. Two things are looked at, and the worse counts: how much later than intended requests started, and how long
the generator's loop stood still.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.clock import NS_PER_MS
from harness.judge.model import Evidence, Finding
from harness.record.reader import Record
from harness.record.schema import Lag

TITLE = "Lateness of the load generator"


def generator_lag(record: Record) -> list[Finding]:
    """One finding, in milliseconds."""
    requests = record.requests
    late_ms = (requests["start_ns"] - requests["intended_ns"]).to_numpy(dtype=float) / NS_PER_MS
    still_ms = np.array([row.lag_max_ns / NS_PER_MS for row in record.rows(Lag)], dtype=float)
    if not len(late_ms):
        return [_finding(None, 0, [], ["no request was sent"])]
    if not len(still_ms):
        return [_finding(None, len(late_ms), [], ["the workers told nothing of their own lateness"])]
    told = [("requests started", late_ms), ("the generator's loop stood still", still_ms)]
    worst = max(_high(values)[1] for _, values in told)
    evidence = [
        Evidence(text=f"{what}: {_high(values)[0]} {_high(values)[1]:.1f} ms", source="load") for what, values in told
    ]
    return [_finding(worst, len(late_ms), evidence, [])]


def limited(record: Record) -> str:
    """Why the run is generator-limited; empty where it is not."""
    finding = generator_lag(record)[0]
    limit_ms = record.plan.scenario.load.lag_limit_ms
    if finding.value is None or finding.value <= limit_ms:
        return ""
    return f"the load generator was late: {finding.value:.0f} ms, above its limit of {limit_ms:g} ms"


def _high(values: npt.NDArray[np.float64]) -> tuple[str, float]:
    n = len(values)
    name, percent = ("p99", 99) if n >= 100 else ("p95", 95) if n >= 20 else ("at most", 100)
    return name, float(np.sort(values)[-(-percent * n // 100) - 1])


def _finding(value: float | None, n: int, evidence: list[Evidence], missing: list[str]) -> Finding:
    return Finding(
        name="generator_lag",
        title=TITLE,
        value=value,
        unit="ms",
        n=n,
        section="run",
        evidence=evidence,
        evidence_total=len(evidence),
        missing=missing,
    )
