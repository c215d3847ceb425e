"""Load from other machines: N stays N, clocks are measured, rows come home, a lost worker is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import Clock
from harness.live.children import ChildLedger
from harness.live.load.clocks import Asked, offset
from harness.live.load.driver import LoadDriver
from harness.live.load.home import Incoming, Outgoing
from harness.live.load.relay import reachable
from harness.live.stack import Address
from harness.plan import Plan
from harness.record.folder import RunFolder
from tests.live.load.conftest import Backend, make_plan
from tests.live.load.hosts import free_port, namespaces


@given(
    ahead=st.integers(-(10**15), 10**15),
    trips=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=20),
)
def test_a_clocks_offset_is_within_its_error(ahead: int, trips: list[tuple[int, int]]) -> None:
    """However uneven the ways there and back, the true offset lies within the error that is told."""
    asked, now = [], 0
    for there, back in trips:
        asked.append(Asked(sent_ns=now, told_ns=now + there + ahead, received_ns=now + there + back))
        now += there + back + 1000
    found = offset(asked)
    assert abs(found.offset_ns - ahead) <= found.error_ns
    assert found.error_ns == min(there + back + 1 for there, back in trips) // 2


@given(data=st.binary(min_size=1, max_size=400), order=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 90))))
def test_rows_come_home_whole_however_pieces_are_lost_or_doubled(
    data: bytes, order: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Pieces that come twice or too early never leave a hole or a double; the digest tells when all is there."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "out").write_bytes(data)
    outgoing, incoming = Outgoing(folder / "out"), Incoming(folder / "in")
    for begins, length in order:
        if not incoming.take(begins, data[begins : begins + length]):
            assert begins > incoming.length
    outgoing.back_to(incoming.length)
    while (piece := outgoing.piece()) is not None:
        assert incoming.take(*piece)
    assert incoming.is_whole(*outgoing.digest())
    assert (folder / "in").read_bytes() == data


def test_a_target_on_another_machine_needs_no_relay() -> None:
    """Only what listens on loopback, for workers that may be elsewhere, is passed on."""
    assert reachable("127.0.0.1", "127.0.0.1:80") == ("127.0.0.1", 80)
    assert reachable("0.0.0.0", "192.0.2.1:80") == ("192.0.2.1", 80)


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    with namespaces(2) as names:
        yield names


class Run:
    """A driver conducting a distributed load beside the test, and the workers that were started for it."""

    def __init__(self, plan: Plan, folder: RunFolder, url: str, ledger: ChildLedger) -> None:
        host, _, port = url.rpartition(":")
        self.driver = LoadDriver(
            plan, folder, client=Address(host, int(port)), clock=Clock(plan.origin_ns), ledger=ledger
        )
        self.workers: list[subprocess.Popen[bytes]] = []
        self.detail = ""
        self._failed: list[Exception] = []
        self._thread = threading.Thread(target=self._conduct)
        self._thread.start()

    def join(self) -> str:
        self._thread.join(100)
        assert not self._thread.is_alive()
        if self._failed:
            raise self._failed[0]
        return self.detail

    def worker(self, name: str | None, master: str) -> subprocess.Popen[bytes]:
        there = ["ip", "netns", "exec", name] if name else []
        argv = [*there, sys.executable, "-m", "harness", "worker", "--master", master]
        self.workers.append(subprocess.Popen(argv, stderr=subprocess.PIPE))
        return self.workers[-1]

    def _conduct(self) -> None:
        try:
            asyncio.run(self._load())
        except Exception as error:  # noqa: BLE001 - raised again where the test waits
            self._failed.append(error)

    async def _load(self) -> None:
        try:
            await self.driver.start()
            self.detail = (await self.driver.wait()).detail
        finally:
            await self.driver.stop(10)


@contextlib.contextmanager
def running(plan: Plan, tmp_path: Path, url: str, ledger: ChildLedger) -> Iterator[Run]:
    folder = RunFolder(tmp_path)
    folder.events.mkdir()
    folder.logs.mkdir()
    folder.write_plan(plan)
    run = Run(plan, folder, url, ledger)
    try:
        yield run
    finally:
        for worker in run.workers:
            worker.kill()
            worker.wait()
        run.join()


def rows(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    lines = [line for file in sorted((tmp_path / "events").glob("load-*.jsonl")) for line in file.open()]
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def test_two_hosts_register_exactly_n(hosts: list[str], backend: Backend, tmp_path: Path, ledger: ChildLedger) -> None:
    """Workers on two hosts, a third sent away: N tenants once each, on one clock, every row at home, nothing lost."""
    port = free_port()
    load = {
        "registrations": 60,
        "users": 6,
        "workers": 2,
        "listen": f"0.0.0.0:{port}",
        "flow": ["register", "login"],
    }
    operations = {"steps": {"read": 1}, "count": 41, "when": "after", "users": 2}
    plan = make_plan({**load, "operations": operations})
    backend.behave = lambda method, path: time.sleep(0.6) if path == "/register" else None
    with running(plan, tmp_path, backend.url, ledger) as run:
        places = [(hosts[0], "10.213.0.1"), (hosts[1], "10.213.1.1"), (hosts[1], "10.213.1.1")]
        workers = [run.worker(host, f"{master}:{port}") for host, master in places]
        assert sorted(worker.wait(60) for worker in workers) == [0, 0, 3]
        assert run.join() == ""
    requests = rows(tmp_path, "request")
    assert sorted(row["n"] for row in requests if row["step"] == "register") == list(range(1, 61))
    assert backend.count("/register") == 60
    assert backend.count("/read") == 41 == sum(row["step"] == "read" for row in requests)
    assert {row["worker"] for row in requests} == {"load-0", "load-1"}
    trailers = rows(tmp_path, "trailer")
    assert [trailer["planned"] for trailer in trailers] == [trailer["ok"] for trailer in trailers] == [30, 30]
    # One machine has one clock: what was measured as an offset is only the error of measuring.
    assert all(abs(trailer["clock_offset_ns"]) <= trailer["clock_error_ns"] for trailer in trailers)
    begun = [min(row["at_ns"] for row in rows(tmp_path, "intent") if row["worker"] == f"load-{i}") for i in range(2)]
    assert abs(begun[0] - begun[1]) < 2e9


def test_a_lost_host_is_noticed(backend: Backend, tmp_path: Path, ledger: ChildLedger) -> None:
    """A worker that is killed has no trailer, the others go on to their end, and the run says who is missing."""
    port = free_port()
    plan = make_plan({"registrations": 40, "users": 4, "workers": 2, "listen": f"127.0.0.1:{port}"})
    backend.behave = lambda method, path: time.sleep(0.5)
    with running(plan, tmp_path, backend.url, ledger) as run:
        workers = [run.worker(None, f"127.0.0.1:{port}") for _ in range(2)]
        deadline = time.monotonic() + 60
        while len(backend.log) < 4:
            assert time.monotonic() < deadline, "the load did not begin"
            time.sleep(0.05)
        workers[0].send_signal(signal.SIGKILL)
        assert workers[1].wait(60) == 0
        detail = run.join()
    assert "left without its last word" in detail
    assert "no word from it" in detail
    (trailer,) = rows(tmp_path, "trailer")
    assert trailer["ok"] == trailer["planned"] == 20


def test_a_lost_process_here_is_told_with_how_it_ended(backend: Backend, tmp_path: Path, ledger: ChildLedger) -> None:
    """One of two local processes is killed: the other ends in order, and the run says which one was lost, and how."""
    backend.behave = lambda method, path: time.sleep(0.5)
    with running(make_plan({"registrations": 40, "users": 4, "processes": 2}), tmp_path, backend.url, ledger) as run:
        deadline = time.monotonic() + 60
        while len(backend.log) < 4:
            assert time.monotonic() < deadline, "the load did not begin"
            time.sleep(0.05)
        os.kill(run.driver.figures()[0].pid, signal.SIGKILL)
        detail = run.join()
    assert detail.startswith("load-0 was killed by signal 9 without its last word")
    (trailer,) = rows(tmp_path, "trailer")
    assert (trailer["worker"], trailer["ok"]) == ("load-1", 20)
    begun = [min(row["at_ns"] for row in rows(tmp_path, "intent") if row["worker"] == f"load-{i}") for i in range(2)]
    assert abs(begun[0] - begun[1]) < 2e9


def test_locusts_own_page_shows_the_load(backend: Backend, tmp_path: Path, ledger: ChildLedger) -> None:
    """`--web`: a master here with workers here; its page tells of the same requests that the rows do."""
    import urllib.request

    port, page = free_port(), free_port()
    load = {"registrations": 30, "users": 4, "processes": 2, "listen": f"127.0.0.1:{port}", "web": f"127.0.0.1:{page}"}
    backend.behave = lambda method, path: time.sleep(0.8)
    told: dict[str, Any] = {}
    with running(make_plan(load), tmp_path, backend.url, ledger) as run:
        while not told.get("total_rps") and run._thread.is_alive():
            with contextlib.suppress(OSError):
                told = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{page}/stats/requests", timeout=5).read())
            time.sleep(0.1)
        assert run.join() == ""
    assert {stat["name"] for stat in told["stats"]} >= {"register"}
    assert sum(trailer["ok"] for trailer in rows(tmp_path, "trailer")) == 30
