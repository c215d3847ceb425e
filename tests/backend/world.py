"""What a test sees of the world around the backend: servers that can be broken, databases, and clients."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import redis.asyncio
from tenant_backend import settings as backend_settings
from tenant_backend.api.app import make_app
from tenant_backend.backend import Backend

from harness.clock import wait_until
from tests.backend.services import PYTHON, Service, free_port

BACKEND_FOLDER = Path(__file__).parents[2] / "fixtures" / "backend"
PASSWORD = "correct horse battery"
SECRET = "a-secret-for-tests-that-is-long-enough"
FAST = {
    "rate_limit": "off",
    "argon2_memory_kib": "8",
    "argon2_passes": "1",
    "redis_backoff_ms": "10",
    "jwt_secret": SECRET,
    "warm_size": "2",
}
numbers = itertools.count(1)


@dataclass(slots=True)
class Servers:
    postgres: Service
    redis: Service

    def postgres_url(self, database: str, port: int | None = None) -> str:
        return f"postgresql://postgres@127.0.0.1:{port or self.postgres.port}/{database}"

    def redis_url(self, port: int | None = None) -> str:
        return f"redis://127.0.0.1:{port or self.redis.port}/0"

    async def wait_until_ready(self) -> None:
        async def answers() -> bool:
            connection = await asyncpg.connect(self.postgres_url("postgres"), ssl=False, timeout=1)
            await connection.close()
            return True

        async def redis_answers() -> bool:
            client = redis.asyncio.Redis.from_url(self.redis_url(), socket_connect_timeout=1)
            async with client:
                return bool(await client.ping())

        await wait_until(answers, what="Postgres to answer", timeout_s=20)
        await wait_until(redis_answers, what="Redis to answer", timeout_s=20)


@dataclass(slots=True)
class Api:
    """A client of one backend, and shortcuts for what every test does."""

    http: httpx.AsyncClient

    async def register(self, **changes: object) -> httpx.Response:
        headers = changes.pop("headers", None)
        body = registration() | changes
        return await self.http.post("/api/v2/registrations", json=body, headers=headers)  # type: ignore[arg-type]

    async def tenant(self, **changes: object) -> Tenant:
        body = registration() | changes
        answer = await self.http.post("/api/v2/registrations", json=body)
        assert answer.status_code == 201, answer.text
        said = answer.json()
        return Tenant(self, said["tenantId"], said["accessToken"], said["refreshToken"], str(body["email"]))

    async def login(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return await self.http.post("/api/v2/login", json={"email": email, "password": password})

    async def statistics(self) -> Any:
        return (await self.http.get("/internal/statistics")).json()


@dataclass(slots=True)
class Tenant:
    api: Api
    tenant_id: str
    token: str
    refresh_token: str
    email: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def database(self) -> str:
        return "tenant_" + self.tenant_id.replace("-", "")

    async def add_branch(self, name: str) -> httpx.Response:
        return await self.api.http.post("/api/v2/branches", json={"name": name}, headers=self.headers)

    async def branches(self) -> list[str]:
        answer = await self.api.http.get("/api/v2/branches", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return [branch["name"] for branch in answer.json()["branches"]]


def registration() -> dict[str, object]:
    number = next(numbers)
    return {
        "email": f"admin{number}.{uuid4().hex[:8]}@tenants.example.com",
        "password": PASSWORD,
        "firstName": "Ada",
        "lastName": "Admin",
        "churchName": f"St Mary's {number}",
    }


@dataclass(slots=True)
class World:
    servers: Servers
    control: str
    sql: asyncpg.Connection
    folder: Path
    databases_before: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def made(cls, servers: Servers, folder: Path) -> AsyncIterator[World]:
        """A fresh control database; tenants' databases of earlier tests are not this world's."""
        admin = await asyncpg.connect(servers.postgres_url("postgres"), ssl=False, timeout=10)
        control = f"control_{uuid4().hex[:12]}"
        await admin.execute(f"CREATE DATABASE {control} TEMPLATE template0 STRATEGY FILE_COPY")
        await admin.close()
        sql = await asyncpg.connect(servers.postgres_url(control), ssl=False, timeout=10)
        world = cls(servers, control, sql, folder)
        world.databases_before = await world._all_databases()
        try:
            yield world
        finally:
            await world._drop_all()

    async def _drop_all(self) -> None:
        """Databases are large: those of one test don't stay until the last."""
        await self.sql.close()
        admin = await asyncpg.connect(self.servers.postgres_url("postgres"), ssl=False, timeout=10)
        mine = {row["datname"] for row in await admin.fetch("SELECT datname FROM pg_database")} - self.databases_before
        for name in [*(name for name in mine if not name.startswith("tenant_template")), self.control]:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.close()

    async def reconnect(self) -> None:
        """After Postgres was restarted."""
        await self.servers.wait_until_ready()
        self.sql = await asyncpg.connect(self.servers.postgres_url(self.control), ssl=False, timeout=10)

    async def _all_databases(self) -> set[str]:
        return {row["datname"] for row in await self.sql.fetch("SELECT datname FROM pg_database")}

    async def databases(self) -> set[str]:
        """This world's databases of tenants; spares are those of tenants to come."""
        new = await self._all_databases() - self.databases_before - await self.spares()
        return {name for name in new if name.startswith("tenant_") and not name.startswith("tenant_template")}

    async def spares(self) -> set[str]:
        if not await self.sql.fetchval("SELECT to_regclass('spares') IS NOT NULL"):
            return set()
        return {f"tenant_{row['tenant_id'].hex}" for row in await self.sql.fetch("SELECT tenant_id FROM spares")}

    async def tenants(self) -> list[asyncpg.Record]:
        return list(await self.sql.fetch("SELECT * FROM tenants ORDER BY created_at"))

    async def connections(self, database: str) -> int:
        """What the server itself says."""
        return int(await self.sql.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", database))

    async def nothing_left(self) -> bool:
        return not await self.databases() and not await self.tenants()

    def environment(self, **changes: object) -> dict[str, str]:
        values = {
            "database_url": self.servers.postgres_url(self.control),
            "redis_url": self.servers.redis_url(),
            **FAST,
            **{name: str(value) for name, value in changes.items()},
        }
        return {f"BACKEND_{name.upper()}": value for name, value in values.items()}

    @asynccontextmanager
    async def served(self, **changes: object) -> AsyncIterator[tuple[Api, Backend]]:
        """A backend in this process, started and ready."""
        async with self.starting(**changes) as (api, backend):
            await wait_until(lambda: backend.is_started, what="the backend to start", timeout_s=60)
            yield api, backend

    @asynccontextmanager
    async def starting(self, **changes: object) -> AsyncIterator[tuple[Api, Backend]]:
        """A backend in this process, which may not be ready yet."""
        app = make_app(backend_settings.from_environment(self.environment(**changes)))
        backend: Backend = app.state.backend
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://backend", timeout=60) as http,
        ):
            yield Api(http), backend

    @asynccontextmanager
    async def process(self, **changes: object) -> AsyncIterator[Process]:
        """A backend as a process of its own, ready, that can be killed."""
        process = Process(self.environment(port=free_port(), **changes), self.folder / "backend.log")
        try:
            await process.start()
            yield process
        finally:
            process.stop()
            await process.http.aclose()


class Process:
    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment = environment
        self.log = log
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['BACKEND_PORT']}", timeout=30)
        self.api = Api(self.http)
        self.running: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [PYTHON, "-m", "tenant_backend"],
                env={**os.environ, "PYTHONPATH": str(BACKEND_FOLDER), **self.environment},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        await wait_until(self.is_ready, what="the backend to be ready", timeout_s=90, last_seen=self.log.read_text)

    async def is_ready(self) -> bool:
        return (await self.http.get("/health/ready")).status_code == 200

    def has_ended(self) -> bool:
        return self.running is not None and self.running.poll() is not None

    def stop(self) -> int | None:
        """Ask it to end; the exit code."""
        if self.running is None:
            return None
        if self.running.poll() is None:
            self.running.terminate()
        return self.running.wait(60)
