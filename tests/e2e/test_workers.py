"""A whole run whose load comes from other machines: the product here, its workers elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.clock import wait_until
from tests.e2e.product import COMES_WITHIN_S, Product
from tests.live.load.hosts import free_port, namespaces

pytestmark = pytest.mark.e2e

ENDS_WITHIN_S = 30
SCENARIO = """
name = "elsewhere"
proves = "load from two other machines is one load"
[load]
model = "open"
rate_per_s = 10
registrations = 31
flow = ["register", "login", "create_branch"]
[load.operations]
steps = { list_branches = 1 }
count = 21
users = 4
when = "after"
[[faults]]
fault = "redis.kill"
at_registration = 10
for_s = 1
[observe]
settle_s = 0.3
"""


class Elsewhere:
    """A run that waits for two workers, and those workers."""

    def __init__(self, folder: Path) -> None:
        self.product = Product(folder)
        self.port = free_port()
        self.scenario = folder / "elsewhere.toml"
        self.scenario.write_text(SCENARIO)
        self.workers: list[subprocess.Popen[str]] = []

    def run(self, listen: str, *more: str) -> subprocess.Popen[str]:
        return self.product.start_run(self.scenario, "--workers", "2", "--listen", f"{listen}:{self.port}", *more)

    def worker(self, master: str, *, inside: str | None = None) -> subprocess.Popen[str]:
        there = ["ip", "netns", "exec", inside] if inside else []
        argv = [*there, sys.executable, "-m", "harness", "worker", "--master", f"{master}:{self.port}"]
        environment = self.product.environment
        self.workers.append(subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True))
        return self.workers[-1]

    def rows(self, kind: str) -> list[dict[str, Any]]:
        return [row for index in (0, 1) for row in self.product.rows(f"load-{index}") if row["kind"] == kind]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    made = Elsewhere(tmp_path)
    yield made
    for worker in made.workers:
        worker.kill()
        worker.communicate()


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    with namespaces(2) as names:
        yield names


def test_workers_on_two_hosts_make_one_run_that_passes(elsewhere: Elsewhere, hosts: list[str]) -> None:
    """A fault amid the load of two hosts: every tenant once, every row at home, the verdict passes, nothing stays."""
    process = elsewhere.run("0.0.0.0")
    workers = [elsewhere.worker(f"10.213.{index}.1", inside=host) for index, host in enumerate(hosts)]
    code, output = elsewhere.product.ended(process)
    assert code == 0, output
    assert [worker.wait(ENDS_WITHIN_S) for worker in workers] == [0, 0]
    assert elsewhere.product.json("verdict.json")["ruling"] == "pass"
    registered = [row for row in elsewhere.rows("request") if row["step"] == "register"]
    assert sorted(row["n"] for row in registered) == list(range(1, 32))
    assert {row["worker"] for row in registered} == {"load-0", "load-1"}
    assert sum(row["step"] == "list_branches" for row in elsewhere.rows("request")) == 21
    assert [trailer["reason"] for trailer in elsewhere.rows("trailer")] == ["completed", "completed"]
    assert elsewhere.product.left_behind() == []


async def test_a_worker_that_is_killed_amid_a_run_makes_it_unknown(elsewhere: Elsewhere) -> None:
    """What it sent last nobody knows: never a pass. The run says who was lost; the other worker ends its share."""
    process = elsewhere.run("127.0.0.1", "--registrations", "60")
    workers = [elsewhere.worker("127.0.0.1") for _ in range(2)]
    await wait_until(
        lambda: len(elsewhere.rows("request")) >= 10, what="the first requests at home", timeout_s=COMES_WITHIN_S
    )
    os.kill(workers[0].pid, signal.SIGKILL)
    code, output = elsewhere.product.ended(process)
    assert code == 3, output
    assert workers[1].wait(ENDS_WITHIN_S) == 0
    (trailer,) = elsewhere.rows("trailer")
    lost = ({"load-0", "load-1"} - {trailer["worker"]}).pop()
    assert f"{lost} left without its last word" in output
    assert (trailer["planned"], trailer["ok"]) == (30, 30)
    assert elsewhere.product.json("verdict.json")["ruling"] == "unknown"
    assert elsewhere.product.left_behind() == []
