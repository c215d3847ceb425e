"""How long judging a run of 1,000,000 requests and 1,000 tenants takes, and how much memory: a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

from benchmarks.big_run import Size, make
from benchmarks.rows import Row

REPEATS = 3
GOAL_S = 5.0
GOAL_MB = 600.0
TIMEOUT_S = 300

JUDGED = """
import resource, sys, time
from pathlib import Path
from harness.judge.verdict import judge
from harness.record.folder import RunFolder
from harness.record.reader import read
began_s = time.perf_counter()
verdict = judge(read(RunFolder(Path(sys.argv[1]))))
took_s = time.perf_counter() - began_s
assert len(verdict.gates) > 15, verdict.why
print(took_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def run() -> Iterator[Row]:
    base = Path(mkdtemp(prefix="tenant-harness-bench-"))
    try:
        folder = make(base / "big", Size())
        measured = [_judged(folder.path) for _ in range(REPEATS)]
    finally:
        shutil.rmtree(base)
    yield Row("judge_1m_s", median(took_s for took_s, _ in measured), "s", REPEATS, GOAL_S, "lower")
    yield Row("judge_1m_mb", median(mb for _, mb in measured), "MB", REPEATS, GOAL_MB, "lower")


def _judged(path: Path) -> tuple[float, float]:
    command = [sys.executable, "-c", JUDGED, str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S).stdout
    took_s, mb = told.split()
    return float(took_s), float(mb)
