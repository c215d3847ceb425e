"""What a request costs and how late it is where requests are paced: ours against Locust's own pacing, at 500/s.

Locust's `constant_throughput` lets 50 users fire in bursts; an open schedule wakes up for each request, which costs a
sleeping process more than the request itself. The CPU is what the process used between two counts of the server, so
that neither start-up nor end is in it. Runs alternate; medians are told. Lateness is read from our rows, exactly.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import generator
from benchmarks.rows import Row
from harness.clock import NS_PER_MS

ROUNDS = 5
PACE_PER_S = 500
LOCUST_USERS = 50
COUNT, FROM, TO = 3_500, 750, 3_250
POLL_S = 0.05


@dataclass(frozen=True)
class Moment:
    """How many requests the server had served when the generator had used so much CPU (user + system)."""

    served: int
    cpu_s: float


def run() -> Iterator[Row]:
    ours_us, locust_us, lags_ms = [], [], []
    with tempfile.TemporaryDirectory() as place, generator.server(Path(place)) as port:
        for _ in range(ROUNDS):
            folder = Path(tempfile.mkdtemp(dir=place))
            ours_us.append(cpu_us(generator.ours(port, folder, generator.plan(COUNT, PACE_PER_S)), port))
            lags_ms.append(lag_p99_ms(folder / "load-0.jsonl"))
            env = generator.locust_environment(COUNT, "fast", PACE_PER_S / LOCUST_USERS)
            locust_us.append(cpu_us(generator.locust(port, LOCUST_USERS), port, env))
    ours, locust = statistics.median(ours_us), statistics.median(locust_us)
    yield Row("paced_500_cpu_us_per_request", ours, "us", ROUNDS, None, "lower")
    yield Row("constant_throughput_cpu_us_per_request", locust, "us", ROUNDS, None, "lower")
    yield Row("paced_500_over_constant_throughput", ours / locust, "x", ROUNDS, 1.1, "lower")
    yield Row("lag_p99_ms_at_500", statistics.median(lags_ms), "ms", ROUNDS, 3.0, "lower")


def cpu_us(argv: list[str], port: int, env: Mapping[str, str] | None = None) -> float:
    """Run a generator to its end; the CPU of one request in the middle of it."""
    before = served(port)
    process = generator.started(argv, env)
    begin = reached(port, before + FROM, process.pid)
    end = reached(port, before + TO, process.pid)
    generator.ended(process, argv[0])
    return (end.cpu_s - begin.cpu_s) / (end.served - begin.served) * 1e6


def reached(port: int, count: int, pid: int) -> Moment:
    """Wait until the server has served so many."""
    deadline = time.monotonic() + generator.RUN_TIMEOUT_S
    while (now := served(port)) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{now} of {count} requests came within {generator.RUN_TIMEOUT_S} s")
        time.sleep(POLL_S)
    return Moment(now, process_cpu_s(pid))


def process_cpu_s(pid: int) -> float:
    """The CPU clock of another process, to the nanosecond; Linux makes its number so (`clock_getcpuclockid(3)`)."""
    return time.clock_gettime((~pid << 3) | 2)


def served(port: int) -> int:
    return int(urllib.request.urlopen(f"http://127.0.0.1:{port}/served", timeout=10).read())


def lag_p99_ms(rows: Path) -> float:
    """How much later than intended operations began."""
    told = [json.loads(line) for line in rows.read_text().splitlines()]
    late = sorted(row["start_ns"] - row["intended_ns"] for row in told if row.get("step") == "write")
    return late[math.ceil(0.99 * len(late)) - 1] / NS_PER_MS
