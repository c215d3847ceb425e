"""What a request costs the load generator: ours with its recording against plain Locust and other load tools.

Every tool sends the same POST with a JSON body over 16 connections to one C server that is no bottleneck, on a core of
its own where the machine has two. CPU a request is the difference between a long and a short run of the whole process,
so that start-up (importing Locust takes longer than 10,000 requests) is not in it. Runs alternate; medians are told.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.rows import Row
from harness.clock import monotonic_ns
from harness.live.prepare import this_machine
from harness.plan import Plan
from harness.scenario import Scenario
from harness.target import Target

HERE = Path(__file__).parent
CONNECTIONS = 16
ROUNDS = 3
SHORT, LONG = 1_000, 9_000
RUN_TIMEOUT_S = 600


@dataclass(frozen=True)
class Cost:
    """CPU seconds (user + system) and wall seconds of one run of a whole process."""

    cpu_s: float
    wall_s: float


class Tool(Protocol):
    """One way to send `count` requests; returns what the process cost."""

    def __call__(self, port: int, count: int, folder: Path) -> Cost: ...


def run() -> Iterator[Row]:
    tools = {name: tool for name, (program, tool) in TOOLS.items() if program is None or shutil.which(program)}
    with tempfile.TemporaryDirectory() as place, server(Path(place)) as port:
        costs: dict[str, list[Cost]] = {name: [] for name in tools}
        for _ in range(ROUNDS):
            for name, tool in tools.items():
                costs[name].append(one(tool, port, Path(place)))
    cpu_us = {name: statistics.median(cost.cpu_s for cost in told) * 1e6 for name, told in costs.items()}
    for name in tools:
        yield Row(f"{name}_cpu_us_per_request", cpu_us[name], "us", ROUNDS, None, "lower")
        rate = statistics.median(1 / cost.wall_s for cost in costs[name])
        yield Row(f"{name}_requests_per_s", rate, "1/s", ROUNDS, None, "higher", "at saturation, one core")
    yield ratio("generator_cpu_over_fasthttpuser", cpu_us, "fasthttpuser", 0.40)
    yield ratio("generator_cpu_over_httpuser", cpu_us, "httpuser", None)
    yield ratio("generator_cpu_over_k6", cpu_us, "k6", 1.0)
    yield ratio("generator_cpu_over_vegeta", cpu_us, "vegeta", None)


def ratio(name: str, cpu_us: Mapping[str, float], other: str, goal: float | None) -> Row:
    if other not in cpu_us:
        return Row(name, math.nan, "x", 0, goal, "lower", f"{other} is not installed")
    return Row(name, cpu_us["ours"] / cpu_us[other], "x", ROUNDS, goal, "lower")


def one(tool: Tool, port: int, place: Path, short: int = SHORT, long: int = LONG) -> Cost:
    """What one more request costs: a long run less a short one, divided by the requests between them."""
    few, many = (tool(port, count, Path(tempfile.mkdtemp(dir=place))) for count in (short, long))
    more = long - short
    return Cost((many.cpu_s - few.cpu_s) / more, (many.wall_s - few.wall_s) / more)


@contextmanager
def server(place: Path, stall_after: int = 0, stall_ms: int = 0, log: Path | None = None) -> Iterator[int]:
    """The C server, compiled now, on the last core. It can stand still once, and log when it answered."""
    binary = place / "server"
    subprocess.run(["cc", "-O2", "-o", binary, HERE / "generator_server.c"], check=True)
    core = max(os.sched_getaffinity(0))
    argv = [str(binary), str(stall_after), str(stall_ms), *([str(log)] if log else [])]
    process = subprocess.Popen([*on_core(core), *argv], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def on_core(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if shutil.which("taskset") else []


def cost_of(argv: list[str], *, env: Mapping[str, str] | None = None) -> Cost:
    """Run a generator to its end."""
    begun = time.perf_counter()
    process = started(argv, env)
    usage = ended(process, argv[0])
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with code {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - begun)


def started(argv: list[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A generator on the first core."""
    pinned = [*on_core(min(os.sched_getaffinity(0))), *argv]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        pinned, stdin=quiet, stdout=quiet, stderr=quiet, env={**os.environ, **(env or {})}, text=True
    )


def ended(process: subprocess.Popen[str], name: str) -> resource.struct_rusage:
    """Wait for the end, at most `RUN_TIMEOUT_S`; what the process has used."""
    deadline = time.monotonic() + RUN_TIMEOUT_S
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise RuntimeError(f"{name} did not end within {RUN_TIMEOUT_S} s")
        time.sleep(0.02)


def plan(count: int, rate_per_s: float | None) -> Plan:
    """A few tenants, then `count` operations of theirs, as the load engine does them."""
    operations = {"steps": {"write": 1}, "count": count, "users": CONNECTIONS, "when": "after", "zipf_exponent": 0}
    write = {"method": "POST", "path": "/write/{tenant_id}", "body": {"email": "{email}", "value": "{canary}"}}
    register = {"method": "POST", "path": "/register", "ok": [200], "save": {"tenant_id": "id"}}
    load = {"registrations": CONNECTIONS, "users": CONNECTIONS, "operations": {**operations, "rate_per_s": rate_per_s}}
    return Plan(
        harness_version="0",
        run_id="bench",
        created_at="2026-01-01T00:00:00+00:00",
        origin_ns=monotonic_ns(),
        seed=1,
        stack="external",
        scenario_file="",
        target_file="",
        scenario=Scenario.model_validate({"name": "bench", "proves": "cost", "load": load}),
        target=Target.model_validate(
            {
                "name": "bench",
                "database": {"tenant": "t", "tenant_pattern": "t"},
                "health": {"check": "/"},
                "steps": {"register": register, "login": write, "write": write},
            }
        ),
        machine=this_machine(),
    )


def ours(port: int, folder: Path, planned: Plan) -> list[str]:
    """The load worker as `harness run` starts it: flows, deadlines, intents, one row for each request."""
    (folder / "plan.json").write_text(planned.model_dump_json())
    argv = [sys.executable, "-m", "harness.live.load.worker", "--plan", str(folder / "plan.json"), "--worker", "0/1"]
    return [*argv, "--events", str(folder / "load-0.jsonl"), "--host", f"127.0.0.1:{port}"]


def ours_saturated(port: int, count: int, folder: Path) -> Cost:
    return cost_of(ours(port, folder, plan(count, None)))


def locust(port: int, users: int) -> list[str]:
    argv = [sys.executable, "-m", "locust", "-f", str(HERE / "generator_locustfile.py"), "--headless", "--only-summary"]
    return [*argv, "-u", str(users), "-r", str(users), "-H", f"http://127.0.0.1:{port}"]


def locust_environment(limit: int, user_class: str, pace: float = 0) -> dict[str, str]:
    """What `generator_locustfile.py` reads."""
    return {**os.environ, "LIMIT": str(limit), "USER_CLASS": user_class, "PACE": str(pace)}


def fasthttpuser(port: int, count: int, folder: Path) -> Cost:
    return cost_of(locust(port, CONNECTIONS), env=locust_environment(count, "fast"))


def httpuser(port: int, count: int, folder: Path) -> Cost:
    return cost_of(locust(port, CONNECTIONS), env=locust_environment(count, "http"))


def k6(port: int, count: int, folder: Path) -> Cost:
    script = folder / "k6.js"
    script.write_text(
        "import http from 'k6/http'; import exec from 'k6/execution';\n"
        f"export const options = {{ scenarios: {{ a: {{ executor: 'shared-iterations', vus: {CONNECTIONS}, "
        f"iterations: {count} }} }} }};\n"
        "export default function () { const i = exec.scenario.iterationInTest;\n"
        f"http.post('http://127.0.0.1:{port}/write/one', "
        "JSON.stringify({ email: `t${i}@tenants.example.com`, value: `canary-${i}` }),"
        " { headers: { 'Content-Type': 'application/json' } }); }\n"
    )
    return cost_of(["k6", "run", "--quiet", "--no-usage-report", str(script)])


def vegeta(port: int, count: int, folder: Path) -> Cost:
    """Its rate is without limit over 16 workers; it can't count, so it is given as many targets as it may send."""
    targets = "".join(
        json.dumps({"method": "POST", "url": f"http://127.0.0.1:{port}/write/one", "body": "eyJhIjoxfQ=="}) + "\n"
        for _ in range(count)
    )
    file = folder / "targets.json"
    file.write_text(targets)
    argv = ["vegeta", "attack", "-format=json", "-lazy", "-rate=0", f"-max-workers={CONNECTIONS}", "-duration=0"]
    return cost_of([*argv, f"-targets={file}", f"-output={folder / 'out.bin'}"])


def oha(port: int, count: int, folder: Path) -> Cost:
    argv = ["oha", "-n", str(count), "-c", str(CONNECTIONS), "--no-tui", "-m", "POST", "-d", '{"a":1}']
    return cost_of([*argv, f"http://127.0.0.1:{port}/write/one"])


def wrk(port: int, count: int, folder: Path) -> Cost:
    """It only knows durations: its CPU is divided by what it says it has sent."""
    script = folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.body = "{\\"a\\":1}"\nwrk.headers["Content-Type"] = "application/json"\n'
    )
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d2s", "-s", str(script), f"http://127.0.0.1:{port}/write/one"]
    begun = time.perf_counter()
    done = subprocess.Popen([*on_core(min(os.sched_getaffinity(0))), *argv], stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    told = done.stdout.read()
    usage = ended(done, "wrk")
    sent = next(int(line.split()[0]) for line in told.splitlines() if "requests in" in line)
    return Cost((usage.ru_utime + usage.ru_stime) * count / sent, (time.perf_counter() - begun) * count / sent)


TOOLS: dict[str, tuple[str | None, Tool]] = {
    "ours": (None, ours_saturated),
    "fasthttpuser": (None, fasthttpuser),
    "httpuser": (None, httpuser),
    "k6": ("k6", k6),
    "vegeta": ("vegeta", vegeta),
    "oha": ("oha", oha),
    "wrk": ("wrk", wrk),
}
