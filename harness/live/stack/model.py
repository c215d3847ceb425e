"""The values that a stack hands out and takes in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote


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
        """A libpq URL; user and password are percent-encoded."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"postgresql://{login}@{self.address}/{quote(database or self.control_database, safe='')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCommand:
    """How to start the backend; the stack fills the placeholders in `argv` and in the values of `env`.

    Placeholders: `{host}` and `{port}` to listen on; `{postgres_url}`, `{postgres_host}`, `{postgres_port}`,
    `{postgres_user}`, `{postgres_password}`, `{control_database}`, `{redis_url}`, `{redis_host}`, `{redis_port}`, all
    leading through the fault proxy; `{python}`, the interpreter that runs the harness. `ready` is a path that answers
    a GET with 2xx once the backend takes requests. In a container the image's own command runs, not `argv`, with `env`
    filled; the image is built from `dockerfile`, whose folder is the build's context, and listens on `container_port`.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None
    ready: str = "/health"
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 15.0
    dockerfile: str | None = None
    container_port: int = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a service may use; null is no limit."""

    cpus: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """What the report says of the stack: name, why it was taken, and each service's program and version."""

    name: str
    why: str
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """Resources of a service's process(es) as the machine or the engine tells them; null where it doesn't.

    Sums over the service's processes; `pid` is the first of them. Memory that processes share counts in each.
    """

    pid: int
    alive: bool
    rss_bytes: int | None = None
    descriptors: int | None = None
    threads: int | None = None
    cpu_s: float | None = None
