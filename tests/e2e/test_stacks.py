"""One contract for all stacks: the same promises on plain processes and in containers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
import redis.asyncio

from harness.clock import WaitTimeout, wait_until
from harness.live.children import ChildLedger
from harness.live.clean import clean
from harness.live.processes import marked
from harness.live.stack import Address, Capability, Edge, EnvironmentTrouble, Limits, Service, Stack
from harness.live.stack.edges import Toxic
from tests.e2e.engine import engine_lists
from tests.e2e.making import PROBE_COMMAND, make

pytestmark = pytest.mark.e2e

ANSWER_TIMEOUT_S = 10.0
SERVICES = [Service.POSTGRES, Service.REDIS, Service.BACKEND, Service.PROXY]
PATH_OF = {Service.POSTGRES: "/postgres", Service.REDIS: "/redis", Service.BACKEND: "/health", Service.PROXY: "/health"}


async def asked(stack: Stack, path: str) -> int:
    """The probe backend's status by the client's edge; 0 where nobody answers."""
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        try:
            return (await client.get(f"http://{stack.client}{path}")).status_code
        except httpx.TransportError:
            return 0


async def until(stack: Stack, path: str, *statuses: int) -> None:
    async def seen() -> bool:
        return await asked(stack, path) in statuses

    await wait_until(seen, what=f"{path} to answer {statuses}", timeout_s=ANSWER_TIMEOUT_S)


def refused(address: Address) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address.host, address.port)) != 0


async def test_every_edge_leads_to_its_service(stack: Stack) -> None:
    """Load reaches the backend, and the backend reaches Postgres and Redis, all through the proxy."""
    await stack.start_service(Service.BACKEND)
    assert [await asked(stack, path) for path in ("/health", "/postgres", "/redis")] == [200, 200, 200]
    states = await stack.edges.states()
    assert set(states) == set(Edge)
    assert all(state.enabled and not state.toxics for state in states.values())
    assert {"postgres", "redis", "proxy"} <= set(stack.facts.versions)


async def test_observers_connect_directly(stack: Stack) -> None:
    """Postgres, with its control database, and Redis answer on addresses that no edge's fault touches."""
    for edge in Edge:
        await stack.edges.disable(edge)
    connection = await asyncpg.connect(stack.postgres.url(), timeout=5)
    assert await connection.fetchval("SELECT current_database()") == stack.postgres.control_database
    await connection.close()
    async with redis.asyncio.Redis(host=stack.redis.host, port=stack.redis.port, socket_timeout=5) as client:
        assert await client.ping()


async def test_a_wrong_password_is_refused(stack: Stack) -> None:
    """Credentials mean something, as they do in production."""
    access = replace(stack.postgres, password="wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(access.url(), timeout=5)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_killed_service_is_gone_and_comes_back_on_its_address(stack: Stack, service: Service) -> None:
    """Killed, it answers nobody; started again, everyone finds it where it was."""
    await stack.start_service(Service.BACKEND)
    addresses = (stack.postgres.address, stack.redis, stack.backend, stack.client)
    await stack.kill(service)
    assert not stack.is_running(service)
    assert await asked(stack, PATH_OF[service]) != 200
    await stack.start_service(service)
    assert stack.is_running(service)
    await until(stack, PATH_OF[service], 200)
    assert (stack.postgres.address, stack.redis, stack.backend, stack.client) == addresses


async def test_postgres_keeps_its_data_over_a_kill(stack: Stack) -> None:
    """What was committed before SIGKILL is there after the restart."""
    connection = await asyncpg.connect(stack.postgres.url(), timeout=5)
    await connection.execute("CREATE DATABASE tenant_kept")
    await stack.kill(Service.POSTGRES)
    connection.terminate()
    await stack.start_service(Service.POSTGRES)
    connection = await asyncpg.connect(stack.postgres.url("tenant_kept"), timeout=5)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


@pytest.mark.parametrize("service", [Service.POSTGRES, Service.REDIS])
async def test_a_paused_service_is_there_and_silent(stack: Stack, service: Service) -> None:
    """Frozen, it runs but doesn't answer; thawed, it goes on. Thawing twice changes nothing."""
    await stack.start_service(Service.BACKEND)
    await stack.pause(service)
    assert stack.is_running(service)
    assert await asked(stack, PATH_OF[service]) == 503
    await stack.resume(service)
    await stack.resume(service)
    await until(stack, PATH_OF[service], 200)


async def test_a_paused_service_can_be_killed(stack: Stack) -> None:
    """Being frozen does not save it."""
    await stack.pause(Service.REDIS)
    await stack.kill(Service.REDIS)
    assert not stack.is_running(Service.REDIS)
    await stack.start_service(Service.REDIS)


@pytest.mark.parametrize(
    ("edge", "path"), [(Edge.POSTGRES, "/postgres"), (Edge.REDIS, "/redis"), (Edge.CLIENT, "/health")]
)
async def test_a_cut_edge_cuts_only_itself(stack: Stack, edge: Edge, path: str) -> None:
    """A partition between two services leaves both running, and the other edges whole."""
    await stack.start_service(Service.BACKEND)
    await stack.edges.disable(edge)
    assert await asked(stack, path) != 200
    others = {"/postgres", "/redis"} - {path} if edge is not Edge.CLIENT else set[str]()
    assert [await asked(stack, other) for other in others] == [200] * len(others)
    assert all(stack.is_running(service) for service in SERVICES)
    await stack.edges.enable(edge)
    await until(stack, path, 200)


async def test_toxics_are_set_changed_and_taken_away(stack: Stack) -> None:
    """The same calls drive the built-in proxy and the real one, and each is seen to have worked."""
    await stack.start_service(Service.BACKEND)
    silent = Toxic(name="silent", type="timeout", attributes={"timeout": 0})
    await stack.edges.add_toxic(Edge.REDIS, silent)
    assert await asked(stack, "/redis") == 503
    await stack.edges.update_toxic(Edge.REDIS, replace(silent, attributes={"timeout": 5}))
    state = await stack.edges.state(Edge.REDIS)
    assert [dict(toxic.attributes) for toxic in state.toxics] == [{"timeout": 5}]
    await stack.edges.remove_toxic(Edge.REDIS, "silent")
    await stack.edges.remove_toxic(Edge.REDIS, "silent")
    await until(stack, "/redis", 200)


async def test_reset_heals_every_edge(stack: Stack) -> None:
    """After a reset no edge is cut and none has a toxic."""
    await stack.edges.disable(Edge.REDIS)
    await stack.edges.add_toxic(Edge.POSTGRES, Toxic(name="slow", type="latency", attributes={"latency": 100}))
    await stack.edges.reset()
    assert all(state.enabled and not state.toxics for state in (await stack.edges.states()).values())


async def test_one_postgres_process_can_be_killed(stack: Stack) -> None:
    """By its pid of `pg_stat_activity`; its session ends, the server recovers by itself."""
    victim = await asyncpg.connect(stack.postgres.url(), timeout=5)
    await stack.signal_postgres_backend(victim.get_server_pid(), signal.SIGKILL)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await victim.fetchval("SELECT 1", timeout=10)

    async def recovered() -> bool:
        connection = await asyncpg.connect(stack.postgres.url(), timeout=5)
        await connection.close()
        return True

    await wait_until(recovered, what="Postgres to recover", timeout_s=ANSWER_TIMEOUT_S)
    with pytest.raises(EnvironmentTrouble):
        await stack.signal_postgres_backend(os.getpid(), signal.SIGTERM)


async def test_stopping_is_asking_first(stack: Stack) -> None:
    """A service that ends when asked was not killed, and can be started again."""
    assert await stack.stop_service(Service.REDIS, timeout_s=5)
    assert not stack.is_running(Service.REDIS)
    await stack.start_service(Service.REDIS)


async def test_figures_of_a_living_and_a_dead_service(stack: Stack) -> None:
    """Memory, threads and CPU time while it lives; not alive afterwards."""
    await stack.start_service(Service.BACKEND)
    figures = stack.figures(Service.BACKEND)
    assert figures.alive
    assert (figures.rss_bytes or 0) > 1_000_000
    assert (figures.threads or 0) >= 1
    assert figures.cpu_s is not None
    await stack.kill(Service.BACKEND)
    assert not stack.figures(Service.BACKEND).alive


async def test_what_runs_is_not_started_twice(stack: Stack) -> None:
    """Two of a service on one address would make every figure a lie."""
    with pytest.raises(EnvironmentTrouble, match="running already"):
        await stack.start_service(Service.REDIS)


async def test_network_and_limits_where_offered(stack: Stack) -> None:
    """A stack either does what it offers or refuses clearly; reconnecting and lifting heal."""
    await stack.start_service(Service.BACKEND)
    if (Service.REDIS, Capability.DISCONNECT) not in stack.capabilities:
        with pytest.raises(EnvironmentTrouble, match="docker"):
            await stack.disconnect(Service.REDIS)
        with pytest.raises(EnvironmentTrouble, match="docker"):
            await stack.limit(Service.REDIS, Limits(cpus=0.1))
        return
    await stack.disconnect(Service.REDIS)
    assert await asked(stack, "/redis") == 503
    await stack.reconnect(Service.REDIS)
    await until(stack, "/redis", 200)
    await stack.limit(Service.BACKEND, Limits(cpus=0.5, memory_bytes=64 * 1024**2))
    assert await asked(stack, "/health") == 200
    await stack.limit(Service.BACKEND, Limits())


async def test_only_loopback_listens(stack: Stack, kind: str) -> None:
    """Nothing that a run starts can be reached from another machine."""
    await stack.start_service(Service.BACKEND)
    addresses = (stack.postgres.address, stack.redis, stack.backend, stack.client, stack.edges.control)
    listening = [each.laddr for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    for address in addresses:
        assert {place.ip for place in listening if place.port == address.port} == {address.host}, kind


async def test_output_is_in_the_logs(stack: Stack, logs: Path) -> None:
    """Each service's output is in the run folder, that of its second life too."""
    await stack.start_service(Service.BACKEND)
    await stack.kill(Service.BACKEND)
    await stack.start_service(Service.BACKEND)
    assert {"postgres.log", "redis.log", "proxy.log", "backend.log"} <= {path.name for path in logs.iterdir()}
    backend_log = logs / "backend.log"
    await wait_until(
        lambda: backend_log.read_text().count("probe backend starts") == 2, what="both starts in the log", timeout_s=5
    )


async def test_stop_leaves_nothing(kind: str, ledger: ChildLedger, logs: Path, tmp_path: Path) -> None:
    """No process, port, folder, container, network or volume stays; stopping twice is no error."""
    stack = make(kind, ledger, logs)
    before = engine_lists() if kind == "docker" else {}
    await stack.start()
    await stack.start_service(Service.BACKEND)
    await stack.pause(Service.POSTGRES)
    await stack.stop()
    await stack.stop()
    assert all(refused(address) for address in (stack.postgres.address, stack.redis, stack.backend, stack.client))
    assert marked(f"HARNESS_LEDGER={ledger.name}") == []
    assert ledger.entries == ()
    assert list(tmp_path.glob("tenant-harness-*")) == []
    if kind == "docker":
        after = engine_lists()
        assert {name: after[name] for name in ("containers", "networks", "volumes")} == {
            name: before[name] for name in ("containers", "networks", "volumes")
        }


async def test_a_cancelled_start_leaves_nothing(kind: str, ledger: ChildLedger, logs: Path, tmp_path: Path) -> None:
    """Ctrl-C while services are coming up ends those that are up already."""
    stack = make(kind, ledger, logs)
    starting = asyncio.create_task(stack.start())
    await wait_until(lambda: bool(ledger.entries) or starting.done(), what="the start to begin", timeout_s=20)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert ledger.entries == ()
    assert list(tmp_path.glob("tenant-harness-*")) == []


async def test_a_backend_that_ends_is_told_with_its_output(kind: str, ledger: ChildLedger, logs: Path) -> None:
    """The message says what it said last, and nothing waits for the deadline."""
    command = replace(PROBE_COMMAND, env={**PROBE_COMMAND.env, "PROBE_PORT": "no port at all"}, ready_timeout_s=600)
    stack = make(kind, ledger, logs, command)
    await stack.start()
    try:
        with pytest.raises(EnvironmentTrouble, match="no port at all"):
            await stack.start_service(Service.BACKEND)
    finally:
        await stack.stop()


async def test_a_backend_that_is_never_ready_is_told_too(kind: str, ledger: ChildLedger, logs: Path) -> None:
    """Bounded, named, and with what was last seen."""
    stack = make(kind, ledger, logs, replace(PROBE_COMMAND, ready="/nowhere", ready_timeout_s=1))
    await stack.start()
    try:
        with pytest.raises((EnvironmentTrouble, WaitTimeout), match="status 503"):
            await stack.start_service(Service.BACKEND)
    finally:
        await stack.stop()


ORCHESTRATOR = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.e2e.making import make
from harness.live.children import ChildLedger
from harness.live.stack import Service

async def main():
    stack = make(sys.argv[2], ChildLedger.create("killed"), Path(sys.argv[3]))
    await stack.start()
    await stack.start_service(Service.BACKEND)
    print(stack.client.port, flush=True)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


async def test_cleaning_after_a_killed_orchestrator(kind: str, state: Path, logs: Path, tmp_path: Path) -> None:
    """kill -9 leaves everything running; cleaning ends it all, and forgets it."""
    make(kind, ChildLedger.create("seen", folder=tmp_path / "elsewhere"), logs)  # skips where it can't be had
    before = engine_lists() if kind == "docker" else {}
    done = subprocess.run(
        [sys.executable, "-c", ORCHESTRATOR, str(Path(__file__).parents[2]), kind, str(logs)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    client = Address("127.0.0.1", int(done.stdout))
    assert not refused(client), "what was started should outlive its orchestrator"
    report = await clean(state)
    assert report.is_clean, report.left
    assert report.ended
    assert refused(client)
    assert list(state.iterdir()) == []
    assert list(tmp_path.glob("tenant-harness-*")) == []
    if kind == "docker":
        assert engine_lists() == before
