"""The contract that every stack fulfils."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from harness.live.stack.edges import Edges


class EnvironmentTrouble(Exception):
    """The machine can't do what the run needs; the message says what, and the remedy. Exit code 4."""


class Service(StrEnum):
    POSTGRES = "postgres"
    REDIS = "redis"
    PROXY = "proxy"
    BACKEND = "backend"


class Edge(StrEnum):
    """The three connections that can break; the value is the name of the proxy on it."""

    CLIENT = "client-backend"
    POSTGRES = "backend-postgres"
    REDIS = "backend-redis"


class Capability(StrEnum):
    """What a stack can do to a service; a fault asks for one and is refused clearly where it is missing."""

    KILL = "kill"
    STOP = "stop"
    PAUSE = "pause"
    RESTART = "restart"
    EDGE = "edge"
    DISCONNECT = "disconnect"
    LIMIT = "limit"
    POSTGRES_ADMIN = "postgres_admin"
    REDIS_ADMIN = "redis_admin"
    SIGNAL_POSTGRES_BACKEND = "signal_postgres_backend"
    PROXY_EXTENSIONS = "proxy_extensions"


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAccess:
    """How to reach a Postgres as a superuser (or what the user gave): address and credentials."""

    address: Address
    user: str
    password: str
    control_database: str

    def url(self, database: str | None = None) -> str:
        return f"postgresql://{self.user}:{self.password}@{self.address}/{database or self.control_database}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """What the report says of the stack: name, why it was taken, and each service's program and version."""

    name: str
    why: str
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """Resources of a service's process(es) as the machine or the engine tells them; null where it doesn't."""

    pid: int
    alive: bool
    rss_bytes: int | None = None
    descriptors: int | None = None
    threads: int | None = None
    cpu_s: float | None = None


class Stack(Protocol):
    """A running set of services, of which each can be broken and healed.

    `postgres`, `redis` and `backend` are direct addresses, for observers and the final read; `client` is the
    backend's address through the fault proxy, for load. All are stable for the life of the stack, restarts included.
    Every method waits at most for its own deadline and raises `harness.clock.WaitTimeout` or `EnvironmentTrouble`.
    """

    @property
    def facts(self) -> StackFacts: ...

    @property
    def capabilities(self) -> frozenset[tuple[Service, Capability]]: ...

    @property
    def postgres(self) -> PostgresAccess: ...

    @property
    def redis(self) -> Address: ...

    @property
    def backend(self) -> Address: ...

    @property
    def client(self) -> Address: ...

    @property
    def edges(self) -> Edges: ...

    async def start(self) -> None:
        """Bring Postgres, Redis and the proxy up, ready meaning an answered query; the backend is started apart."""

    async def start_service(self, service: Service) -> None:
        """Start a service that is not running, on its old address, and wait until it answers."""

    async def kill(self, service: Service) -> None:
        """SIGKILL the service with all its processes; returns when it is gone."""

    async def stop_service(self, service: Service, *, timeout_s: float) -> bool:
        """Ask the service to end (SIGTERM) and wait; kills it after `timeout_s` and then returns False."""

    async def pause(self, service: Service) -> None:
        """Freeze every process of the service (SIGSTOP, `docker pause`)."""

    async def resume(self, service: Service) -> None:
        """Thaw a frozen service; nothing happens where it isn't frozen."""

    def is_running(self, service: Service) -> bool:
        """Whether the service's process is there (frozen counts as running)."""

    def figures(self, service: Service) -> ProcessFigures:
        """Resources of the service now."""

    async def stop(self) -> None:
        """End everything and remove every trace but the logs; never raises for what is already gone."""
