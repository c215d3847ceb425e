"""A Postgres, a Redis and reference backends for benchmarks, each a process of its own, gone afterwards."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg

from benchmarks.plain_http import PlainHttp
from harness.clock import wait_until
from harness.live.child import Child
from harness.live.children import ChildLedger
from harness.live.stack.model import Address, PostgresAccess
from harness.live.stack.ports import Reservation
from harness.live.stack.postgres_server import PostgresServer
from harness.live.stack.redis_server import RedisServer

FOLDER = Path(__file__).parents[1] / "fixtures" / "backend"
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
CONNECTIONS_MAX = 300
CHEAP_HASHING = {"ARGON2_MEMORY_KIB": "8", "ARGON2_PASSES": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Postgres and Redis, and a place for logs; `ledger` knows every process."""

    postgres: PostgresAccess
    redis: Address
    folder: Path
    ledger: ChildLedger

    def url(self, database: str) -> str:
        return self.postgres.url(database)


@asynccontextmanager
async def servers(name: str, *, parent: Path, durable: bool) -> AsyncIterator[Servers]:
    """Their data lies in `parent`, and outlives a power cut or not: the figures depend on both."""
    ledger = ChildLedger.create(name)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=parent) as folder:
        place = Path(folder)
        postgres = PostgresServer(
            control_database="postgres",
            log=place / "postgres.log",
            scratch=place,
            ledger=ledger,
            connections_max=CONNECTIONS_MAX,
            durable=durable,
        )
        redis = RedisServer(log=place / "redis.log", scratch=place, ledger=ledger)
        try:
            await postgres.create()
            await postgres.start()
            await redis.start()
            yield Servers(postgres=postgres.access, redis=redis.address, folder=place, ledger=ledger)
        finally:
            await redis.stop()
            await postgres.stop()
            for service in (redis, postgres):
                service.release()
            ledger.close()


@asynccontextmanager
async def backend(servers: Servers, name: str, **settings: str) -> AsyncIterator[PlainHttp]:
    """A backend on a control database of its own, ready; `settings` without their `BACKEND_`, in capitals."""
    await _execute(servers, f"CREATE DATABASE {name} TEMPLATE template0")
    port = Reservation()
    environment = {
        "HOST": port.address.host,
        "PORT": str(port.address.port),
        "DATABASE_URL": servers.url(name),
        "REDIS_URL": f"redis://{servers.redis}/0",
        "RATE_LIMIT": "off",
        **settings,
    }
    child = Child.start(
        name,
        [sys.executable, "-m", "tenant_backend"],
        log=servers.folder / f"{name}.log",
        ledger=servers.ledger,
        env={f"BACKEND_{key}": value for key, value in environment.items()},
        cwd=FOLDER,
    )
    async with AsyncExitStack() as stack:
        stack.callback(port.release)
        stack.push_async_callback(child.end, timeout_s=STOP_TIMEOUT_S)
        client = PlainHttp(port.address.host, port.address.port)
        stack.callback(client.close)

        async def is_ready() -> bool:
            return (await client.get("/health/ready"))[0] == 200

        await wait_until(is_ready, what=f"{name} to be ready", timeout_s=READY_TIMEOUT_S, last_seen=child.log_tail)
        yield client


async def register(client: PlainHttp) -> None:
    """One registration, which must succeed."""
    body = {
        "email": f"{uuid4().hex}@tenants.example.com",
        "password": "correct horse battery",
        "firstName": "Ada",
        "lastName": "Admin",
        "churchName": "St Mary's",
    }
    status, answer = await client.post("/api/v2/registrations", body)
    if status != 201:
        raise RuntimeError(f"a registration was answered with {status}: {answer.decode()}")


async def drop(servers: Servers, listed: str, *, by: str = "postgres") -> None:
    """Drop the databases that the query `listed` names, asked of the database `by`, so that the disk doesn't fill.

    The server has let go of their files then, which the next `CREATE DATABASE` would else wait for.
    """
    asked = await asyncpg.connect(servers.url(by))
    connection = await asyncpg.connect(servers.url("postgres"))
    try:
        for row in await asked.fetch(listed):
            await connection.execute(f'DROP DATABASE IF EXISTS "{row[0]}" WITH (FORCE)')
        await connection.execute("CHECKPOINT")
    finally:
        await asked.close()
        await connection.close()


async def _execute(servers: Servers, statement: str) -> None:
    connection = await asyncpg.connect(servers.url("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
