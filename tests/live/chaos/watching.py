"""How each fault shows to somebody who knows nothing of it: the backend behind the edges, or a session of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import asyncpg
import httpx
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from harness.clock import NS_PER_S, monotonic_ns
from harness.fault_plan import Scalar
from harness.live.observe import redis
from harness.live.stack import Edge, Stack

TENANT = "tenant_1"
KEY = "written-before"

Watch = Callable[[Stack], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shows:
    """`affected` tells whether the fault is felt now. One that is over at once leaves what it did: `lasts` is
    false. One that is `provoked` lies in wait until somebody does what it is set on."""

    affected: Watch
    options: Mapping[str, Scalar] = field(default_factory=dict)
    lasts: bool = True
    provoked: bool = False


def backend_fails(path: str) -> Watch:
    """The probe backend can't reach the service through its edge, or can't be reached itself."""

    async def watch(stack: Stack) -> bool:
        return await _asked(stack, path) != 200

    return watch


def backend_waits(path: str, for_s: float, *, padding_bytes: int = 0) -> Watch:
    """The probe backend gives its answer, and late."""

    async def watch(stack: Stack) -> bool:
        begun_ns = monotonic_ns()
        status = await _asked(stack, path, padding_bytes)
        return status == 200 and monotonic_ns() - begun_ns >= for_s * NS_PER_S

    return watch


async def _asked(stack: Stack, path: str, padding_bytes: int = 0) -> int:
    headers = {"X-Padding": "x" * padding_bytes}
    async with httpx.AsyncClient(timeout=6, trust_env=False) as client:
        try:
            return (await client.get(f"http://{stack.client}{path}", headers=headers)).status_code
        except httpx.TransportError:
            return 0


async def key_is_gone(stack: Stack) -> bool:
    async with redis.session(stack.redis) as client:
        try:
            return not await client.exists(KEY)
        except RedisConnectionError:
            return False


async def redis_refuses_writes(stack: Stack) -> bool:
    async with redis.session(stack.redis) as client:
        try:
            await client.set("any", "x", px=10)
        except OutOfMemoryError:
            return True
    return False


def sql_fails(statement: str, error: type[Exception], *, database: str = "control") -> Watch:
    """A session of one's own is refused, or the statement is."""

    async def watch(stack: Stack) -> bool:
        try:
            async with _session(stack, database) as session:
                await session.execute("SET lock_timeout = 100")
                await session.execute(statement)
        except error:
            return True
        return False

    return watch


def through_the_edge(statement: str, *, waits_s: float = 0.0) -> Watch:
    """A client of Postgres that goes through the edge loses its connection at the statement, or waits."""

    async def watch(stack: Stack) -> bool:
        listen = (await stack.edges.state(Edge.POSTGRES)).listen
        begun_ns = monotonic_ns()
        try:
            session = await asyncpg.connect(
                replace(stack.postgres, address=listen).url(), timeout=10, command_timeout=10, ssl=False
            )
            await session.execute(statement)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return not waits_s
        session.terminate()
        return waits_s > 0 and monotonic_ns() - begun_ns >= waits_s * NS_PER_S

    return watch


async def template_is_busy(stack: Stack) -> bool:
    """No database can be copied from it. Postgres waits five seconds before it says so."""
    async with _session(stack, "postgres") as session:
        try:
            await session.execute("CREATE DATABASE copied TEMPLATE template1")
        except asyncpg.ObjectInUseError:
            return True
        await session.execute("DROP DATABASE copied")
    return False


@asynccontextmanager
async def _session(stack: Stack, database: str) -> AsyncIterator[asyncpg.Connection]:
    session = await asyncpg.connect(stack.postgres.url(database), timeout=10, command_timeout=10)
    try:
        yield session
    finally:
        session.terminate()


class Bystander:
    """A session that was open before the fault, and is asked whether it still lives."""

    def __init__(self) -> None:
        self.session: asyncpg.Connection | None = None

    async def begin(self, stack: Stack) -> None:
        self.session = await asyncpg.connect(stack.postgres.url("control"), timeout=10, command_timeout=10)

    async def has_lost_it(self, _stack: Stack) -> bool:
        assert self.session is not None
        try:
            return not await self.session.fetchval("SELECT true")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return True


bystander = Bystander()
SORTS = "SELECT count(*) FROM (SELECT g FROM generate_series(1, 50000) AS g ORDER BY md5(g::text)) AS sorted"
LATE = {"latency_ms": 300}

SHOWS: dict[str, Shows] = {
    "redis.kill": Shows(affected=backend_fails("/redis")),
    "redis.away": Shows(affected=backend_fails("/redis")),
    "redis.hang": Shows(affected=backend_fails("/redis")),
    "redis.blackhole": Shows(affected=backend_fails("/redis")),
    "redis.reset": Shows(affected=backend_fails("/redis")),
    "redis.flapping": Shows(affected=backend_fails("/redis"), options={"down_s": 0.5, "up_s": 0.1}),
    "redis.slow": Shows(affected=backend_waits("/redis", 0.3), options=LATE),
    "redis.restart": Shows(affected=key_is_gone, lasts=False),
    "redis.flushall": Shows(affected=key_is_gone, lasts=False),
    "redis.memory_full": Shows(affected=redis_refuses_writes),
    "postgres.away": Shows(affected=backend_fails("/postgres")),
    "postgres.crash": Shows(affected=backend_fails("/postgres")),
    "postgres.hang": Shows(affected=backend_fails("/postgres")),
    "postgres.slow": Shows(affected=backend_waits("/postgres", 0.3), options=LATE),
    "postgres.restart": Shows(affected=bystander.has_lost_it, lasts=False),
    "postgres.backend_crash": Shows(affected=bystander.has_lost_it, lasts=False),
    "postgres.sessions_terminated": Shows(affected=bystander.has_lost_it, lasts=False),
    "postgres.connections_exhausted": Shows(affected=sql_fails("SELECT 1", asyncpg.TooManyConnectionsError)),
    "postgres.template_busy": Shows(affected=template_is_busy),
    "postgres.database_refused": Shows(
        affected=sql_fails("SELECT 1", asyncpg.ObjectNotInPrerequisiteStateError, database=TENANT)
    ),
    "postgres.lock_held": Shows(affected=sql_fails("SELECT * FROM tenants", asyncpg.LockNotAvailableError)),
    "postgres.disk_full": Shows(affected=sql_fails(SORTS, asyncpg.ConfigurationLimitExceededError)),
    "backend.kill": Shows(affected=backend_fails("/health")),
    "backend.terminate": Shows(affected=backend_fails("/health")),
    "backend.hang": Shows(affected=backend_fails("/health")),
    "network.latency": Shows(affected=backend_waits("/health", 0.3), options={**LATE, "edge": "client"}),
    "network.bandwidth": Shows(
        affected=backend_waits("/health", 1, padding_bytes=8000), options={"edge": "client", "rate_kb_s": 4}
    ),
    "network.cut_statement": Shows(
        affected=through_the_edge("TABLE pg_database"), options={"statement": "TABLE", "times": 0}, provoked=True
    ),
    "network.delay_statement": Shows(
        affected=through_the_edge("TABLE pg_database", waits_s=0.3),
        options={"statement": "TABLE", "latency_ms": 300},
        provoked=True,
    ),
    "network.refuse": Shows(affected=through_the_edge("SELECT 1"), provoked=True),
    "network.partition": Shows(affected=backend_fails("/postgres")),
    "network.reset": Shows(affected=backend_fails("/redis"), options={"edge": "redis"}),
    "network.disconnect": Shows(affected=backend_fails("/redis")),
    "network.half_open": Shows(affected=backend_fails("/postgres"), options={"lost": "requests"}),
}
