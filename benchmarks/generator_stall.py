"""A stall of the server as those who wait feel it, and as load tools tell it.

The server answers 50 requests/s for 20 s and stands still for 3 s in between. The true p95 counts from the moment each
request was due to the server's own note of its answer. Ours is read from the rows; plain Locust's, which keeps its
users waiting and so sends nothing meanwhile, from its own statistics.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import generator
from benchmarks.rows import Row
from harness.clock import NS_PER_MS

RATE_PER_S = 50
REQUESTS = 1_000
STALL_AFTER = 400
STALL_MS = 3_000
LOCUST_USERS = 10


def run() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as place:
        ours_ms, true_ms = ours(Path(place))
        locust_ms = plain_locust(Path(place))
    yield Row("stall_true_p95_ms", true_ms, "ms", REQUESTS, None, "lower", "from the server's log")
    yield Row("stall_p95_off_by", abs(ours_ms / true_ms - 1), "", REQUESTS, 0.02, "lower", "|ours / true - 1|")
    yield Row("stall_locust_p95_over_true", locust_ms / true_ms, "x", REQUESTS, None, "higher", "1 is the truth")


def p95(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def ours(place: Path) -> tuple[float, float]:
    """Our p95 response time and the true one, in milliseconds."""
    log = place / "answered"
    with generator.server(place, STALL_AFTER, STALL_MS, log) as port:
        plan = generator.plan(REQUESTS, RATE_PER_S)
        folder = Path(tempfile.mkdtemp(dir=place))
        generator.cost_of(generator.ours(port, folder, plan))
    rows = [json.loads(line) for line in (folder / "load-0.jsonl").read_text().splitlines()]
    writes = [row for row in rows if row.get("step") == "write"]
    due = sorted(row["intended_ns"] + plan.origin_ns for row in writes)
    answered = [int(line) for line in log.read_text().split()][-len(due) :]
    true = [(at - begun) / NS_PER_MS for at, begun in zip(answered, due, strict=True)]
    return p95([(row["end_ns"] - row["intended_ns"]) / NS_PER_MS for row in writes]), p95(true)


def plain_locust(place: Path) -> float:
    """The p95 that Locust itself tells of a few users that keep the same rate together, in milliseconds."""
    with generator.server(place, STALL_AFTER, STALL_MS, place / "other") as port:
        argv = [sys.executable, "-m", "locust", "-f", str(generator.HERE / "generator_locustfile.py"), "--headless"]
        argv += [
            "--json",
            "-u",
            str(LOCUST_USERS),
            "-r",
            str(LOCUST_USERS),
            "-t",
            f"{REQUESTS // RATE_PER_S}s",
            "-H",
            f"http://127.0.0.1:{port}",
        ]
        env = generator.locust_environment(REQUESTS * 10, "fast", RATE_PER_S / LOCUST_USERS)
        told = subprocess.run(
            argv, capture_output=True, text=True, env=env, timeout=generator.RUN_TIMEOUT_S, check=False
        )
    (stats,) = json.loads(told.stdout[told.stdout.index("[") :])
    times = [float(ms) for ms, count in stats["response_times"].items() for _ in range(count)]
    return p95(times)
