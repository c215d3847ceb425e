"""The contract that every stack fulfils."""

from __future__ import annotations

import signal
from typing import Protocol

from harness.live.stack.edges import Edges
from harness.live.stack.model import (
    Address,
    BackendCommand,
    Capability,
    Edge,
    EnvironmentTrouble,
    Limits,
    PostgresAccess,
    ProcessFigures,
    Service,
    StackFacts,
)

__all__ = [
    "Address",
    "BackendCommand",
    "Capability",
    "Edge",
    "EnvironmentTrouble",
    "Limits",
    "PostgresAccess",
    "ProcessFigures",
    "Service",
    "Stack",
    "StackFacts",
]


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

    async def disconnect(self, service: Service) -> None:
        """Take the service off its network: what was connected hangs, what connects finds nobody. `DISCONNECT`."""

    async def reconnect(self, service: Service) -> None:
        """Put the service back on its network, on its old address; nothing happens where it is on it."""

    async def limit(self, service: Service, limits: Limits) -> None:
        """Set what the service may use from now on; `Limits()` lifts every limit. `LIMIT`."""

    async def signal_postgres_backend(self, pid: int, number: signal.Signals) -> None:
        """Signal one server process by its pid of `pg_stat_activity`. `SIGNAL_POSTGRES_BACKEND`."""

    def is_running(self, service: Service) -> bool:
        """Whether the service's process is there (frozen counts as running)."""

    def figures(self, service: Service) -> ProcessFigures:
        """Resources of the service now."""

    async def stop(self) -> None:
        """End everything and remove every trace but the logs; never raises for what is already gone."""
