"""The main job as a person runs it: `harness run redis-kill` on the embedded stack, several times; medians.

`stack_ready_embedded_s` is the time from the first phase to the steady state: Postgres, Redis, the fault proxy and the
backend, all answering. The run before the measured ones fills the cache of the initialised data directory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.rows import Row
from harness.clock import NS_PER_S, monotonic_ns

RUNS = 3
TIMEOUT_S = 120


@dataclass(frozen=True)
class Measured:
    """One run."""

    total_s: float
    ready_s: float
    registration_avg_ms: float


def run() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        _stress(Path(folder))
        runs = [_stress(Path(folder)) for _ in range(RUNS)]
    yield Row("stack_ready_embedded_s", median(one.ready_s for one in runs), "s", RUNS, 2.0, "lower")
    yield Row("stress_total_s", median(one.total_s for one in runs), "s", RUNS, 15.0, "lower")
    average_ms = median(one.registration_avg_ms for one in runs)
    yield Row("registration_avg_ms", average_ms, "ms", RUNS, 100.0, "lower", "the Phase 1 report: 14,033 ms")


def _stress(out: Path) -> Measured:
    argv = [sys.executable, "-m", "harness", "run", "redis-kill", "--stack", "embedded", "--out", str(out)]
    begun_ns = monotonic_ns()
    subprocess.run(argv, check=True, capture_output=True, timeout=TIMEOUT_S)
    total_s = (monotonic_ns() - begun_ns) / NS_PER_S
    latest = out / "latest"
    phases: dict[str, int] = {}
    for line in (latest / "events" / "conductor.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["kind"] == "phase":
            phases.setdefault(row["phase"], row["at_ns"])
    found = json.loads((latest / "verdict.json").read_text())["findings"]
    findings = {item["name"]: item for item in found if item["phase"] == "all"}
    return Measured(
        total_s=total_s,
        ready_s=(phases["steady"] - phases["setup"]) / NS_PER_S,
        registration_avg_ms=findings["register_avg_ms"]["value"],
    )
