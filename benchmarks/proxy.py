"""The fault proxy beside a real Toxiproxy (where `toxiproxy-server` is on the PATH) and no proxy, in one run.

The three take turns, round after round, so that whatever else the machine does hits them alike; ratios are of medians.
Needs a C compiler: a client in Python would measure itself.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import psutil

from benchmarks.rows import Row

ROUNDS = 7
BUSY_TURNS = 3
"""Each round. The p99 at many connections is what the scheduler makes of two full cores, and Toxiproxy's is either
some 2 ms or some 5: the median of few turns says little."""
SECONDS = 0.6
RTT_SECONDS = 1.0
MESSAGE_BYTES = 100
BULK_CONNECTIONS = 16
ECHO_BYTES = 128 * 1024
"""What each connection of the throughput's echo has in flight. Without a bound it is a flood, which fills whatever
buffers the kernel allows (tens of MB a connection) and so measures how fast main memory is, for no proxy as well."""
FLOOD_BYTES = 0
BUSY_CONNECTIONS = 50
IDLE_CONNECTIONS = 2000
START_TIMEOUT_S = 15.0
DIRECT, BUILT_IN, WITHOUT_LEDGER, TOXIPROXY = "direct", "built-in", "without ledger", "toxiproxy"
GB = 1e9


@dataclass(frozen=True)
class Way:
    """How the client gets to the echo server: by which port, through which process."""

    name: str
    port: int
    process: psutil.Process | None

    def cpu_s(self) -> float:
        if self.process is None:
            return 0.0
        times = self.process.cpu_times()
        return float(times.user + times.system)


Figures = dict[tuple[str, str], list[float]]
"""What was measured each round, by way and figure."""


def run() -> Iterator[Row]:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        yield from _rows({}, "no C compiler on the PATH")
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        program = folder / "proxy_load"
        source = Path(__file__).parent / "proxy_load.c"
        subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True)
        ways = [*_ways(stack, program, folder)]
        figures: Figures = defaultdict(list)
        beside = [way for way in ways if way.name != WITHOUT_LEDGER]
        for _ in range(ROUNDS):
            for way in beside:
                _measure_rtt(program, way, figures, 1)
                _measure_bulk(program, way, figures)
            for way in beside * BUSY_TURNS:
                _measure_rtt(program, way, figures, BUSY_CONNECTIONS)
            for way in ways:
                _measure_churn(program, way, figures)
        for way in ways[1:]:
            figures[way.name, "idle_bytes"].append(_idle_bytes(program, way))
    note = "" if (TOXIPROXY, "rtt_1") in figures else "no toxiproxy-server on the PATH"
    yield from _rows(figures, note)


def _measure_rtt(program: Path, way: Way, figures: Figures, connections: int) -> None:
    before_s = way.cpu_s()
    count, middle_us, p99_us = _figures(program, "rtt", way.port, connections, RTT_SECONDS, MESSAGE_BYTES)
    figures[way.name, f"rtt_{connections}"].append(middle_us)
    figures[way.name, f"p99_{connections}"].append(p99_us)
    figures[way.name, f"cpu_us_{connections}"].append((way.cpu_s() - before_s) / count * 1e6)


def _measure_bulk(program: Path, way: Way, figures: Figures) -> None:
    for kind, in_flight in (("echo", ECHO_BYTES), ("flood", FLOOD_BYTES)):
        before_s = way.cpu_s()
        (received,) = _figures(program, "bulk", way.port, BULK_CONNECTIONS, SECONDS, in_flight)
        figures[way.name, f"{kind}_mb_per_s"].append(received / SECONDS / 1e6)
        # On a machine whose memory was never touched a flood's first turn fills buffers and gets nothing back.
        if received:
            figures[way.name, f"{kind}_cpu_s_per_gb"].append((way.cpu_s() - before_s) / (received / GB))


def _measure_churn(program: Path, way: Way, figures: Figures) -> None:
    before_s = way.cpu_s()
    (count,) = _figures(program, "churn", way.port, SECONDS)
    figures[way.name, "cpu_us_connection"].append((way.cpu_s() - before_s) / count * 1e6)


def _rows(figures: Figures, note: str) -> Iterator[Row]:
    def of(way: str, figure: str) -> float:
        return median(figures.get((way, figure)) or [float("nan")])

    def added(figure: str) -> float:
        return (of(BUILT_IN, figure) - of(DIRECT, figure)) / (of(TOXIPROXY, figure) - of(DIRECT, figure))

    def over(figure: str) -> float:
        return of(BUILT_IN, figure) / of(TOXIPROXY, figure)

    def told(figure: str, unit: str) -> str:
        seen = [f"{way} {of(way, figure):.4g}" for way in (DIRECT, BUILT_IN, TOXIPROXY) if (way, figure) in figures]
        return ", ".join(seen) + f" {unit}" if seen else note

    connection = "cpu_us_connection"
    rtt, busy = "rtt_1", f"rtt_{BUSY_CONNECTIONS}"
    p99, busy_n = f"p99_{BUSY_CONNECTIONS}", ROUNDS * BUSY_TURNS
    yield Row("proxy_added_rtt_over_toxiproxy_1", added(rtt), "x", ROUNDS, 0.9, "lower", told(rtt, "us"))
    yield Row("proxy_added_rtt_over_toxiproxy_50", added(busy), "x", busy_n, 0.9, "lower", told(busy, "us"))
    yield Row("proxy_p99_over_toxiproxy_50", over(p99), "x", busy_n, 0.3, "lower", told(p99, "us"))
    yield Row("proxy_cpu_per_rtt_over_toxiproxy", over("cpu_us_1"), "x", ROUNDS, 0.7, "lower", told("cpu_us_1", "us"))
    echo, flood, gb = "echo_mb_per_s", "flood_mb_per_s", "echo_cpu_s_per_gb"
    yield Row("proxy_throughput_over_toxiproxy", over(echo), "x", ROUNDS, 2.5, "higher", told(echo, "MB/s"))
    yield Row("proxy_flood_over_toxiproxy", over(flood), "x", ROUNDS, None, "higher", told(flood, "MB/s"))
    yield Row("proxy_cpu_per_gb_over_toxiproxy", over(gb), "x", ROUNDS, 0.3, "lower", told(gb, "s/GB"))
    yield Row("proxy_idle_memory_over_toxiproxy", over("idle_bytes"), "x", 1, 0.1, "lower", told("idle_bytes", "B"))
    yield Row("proxy_cpu_per_connection", of(BUILT_IN, connection), "us", ROUNDS, None, "lower", told(connection, "us"))
    ledger_us = of(BUILT_IN, connection) - of(WITHOUT_LEDGER, connection)
    yield Row("proxy_ledger_cpu_per_connection", ledger_us, "us", ROUNDS, None, "lower")
    yield Row("proxy_idle_connection", of(BUILT_IN, "idle_bytes"), "B", IDLE_CONNECTIONS, None, "lower")
    yield Row("proxy_cpu_per_rtt", of(BUILT_IN, "cpu_us_1"), "us", ROUNDS, None, "lower")
    yield Row("proxy_cpu_per_gb", of(BUILT_IN, gb), "s", ROUNDS, None, "lower")


def _ways(stack: ExitStack, program: Path, folder: Path) -> Iterator[Way]:
    server = stack.enter_context(_process([str(program), "serve"]))
    assert server.stdout is not None
    port = int(server.stdout.readline())
    yield Way(DIRECT, port, None)
    for name, argv in _servers(folder):
        control = _free_port()
        process = stack.enter_context(_process([*argv, str(control)]))
        yield Way(name, _proxied(control, port), psutil.Process(process.pid))


def _servers(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The built-in proxy runs as in a test run, with its ledger; the one without shows what that costs."""
    built_in = [sys.executable, "-m", "harness.proxy", "--host", "127.0.0.1"]
    yield BUILT_IN, [*built_in, "--events", str(folder / "proxy.jsonl"), "--port"]
    yield WITHOUT_LEDGER, [*built_in, "--port"]
    if original := shutil.which("toxiproxy-server"):
        yield TOXIPROXY, [original, "-host", "127.0.0.1", "-port"]


def _proxied(control: int, upstream_port: int) -> int:
    """Make a proxy to the upstream; gives back where it listens."""
    body = {"name": "bench", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream_port}"}
    until = time.monotonic() + START_TIMEOUT_S
    with httpx.Client(trust_env=False) as client:
        while True:
            try:
                answer = client.post(f"http://127.0.0.1:{control}/proxies", json=body)
                return int(answer.json()["listen"].rpartition(":")[2])
            except httpx.ConnectError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


def _idle_bytes(program: Path, way: Way) -> float:
    """Resident memory of the proxy for each of many connections that say nothing."""
    assert way.process is not None
    before = way.process.memory_info().rss
    with _process([str(program), "hold", str(way.port), str(IDLE_CONNECTIONS)]) as client:
        assert client.stdout is not None
        assert client.stdout.readline().strip() == "held"
        time.sleep(1)  # the last ones are still being dialled
        return (way.process.memory_info().rss - before) / IDLE_CONNECTIONS


def _figures(program: Path, *arguments: object) -> list[float]:
    done = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"proxy_load {arguments}: {done.stderr.strip()}")
    return [float(word) for word in done.stdout.split()]


@contextmanager
def _process(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    quiet = {**os.environ, "LOG_LEVEL": "fatal"}
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quiet
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
