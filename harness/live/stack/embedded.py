"""The stack of plain processes on loopback: needs nothing but the wheels."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from harness.live.child import Child
from harness.live.children import ChildLedger, Entry
from harness.live.processes import family, send
from harness.live.stack.backend_process import BackendProcess, placeholders
from harness.live.stack.edges import Edges
from harness.live.stack.fault_proxy import FaultProxy, ProxyChoice
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
from harness.live.stack.ports import Reservation
from harness.live.stack.postgres_server import PostgresServer
from harness.live.stack.redis_server import RedisServer
from harness.live.stack.scratch import kind_of, scratch_parent
from harness.live.threads import in_thread

SCRATCH_PREFIX = "tenant-harness-"
PROCESS_CAPABILITIES = (Capability.KILL, Capability.STOP, Capability.PAUSE, Capability.RESTART)


class EmbeddedStack:
    """Postgres, Redis, the fault proxy and the backend as child processes, each on a port of its own for good.

    `proxy_events` is the file the built-in proxy writes its rows to. Every process is in `children` from its start.
    """

    def __init__(
        self,
        backend: BackendCommand,
        log_dir: Path,
        run_id: str,
        *,
        children: ChildLedger,
        origin_ns: int,
        proxy_events: Path,
        seed: int = 0,
        control_database: str = "control",
        postgres_connections_max: int = 300,
        tenants: int = 0,
        toxiproxy: bool = False,
        why: str = "asked for",
    ) -> None:
        self._children = children
        self._scratch = scratch_parent(tenants) / f"{SCRATCH_PREFIX}{children.name}"
        self._scratch_entry: Entry | None = None
        self._facts = StackFacts(name="embedded", why=why, versions={"data": kind_of(self._scratch)})
        choice = ProxyChoice(events=proxy_events, origin_ns=origin_ns, seed=seed, real=toxiproxy)
        self._postgres = PostgresServer(
            control_database=control_database,
            log=log_dir / "postgres.log",
            scratch=self._scratch,
            ledger=children,
            connections_max=postgres_connections_max,
        )
        self._redis = RedisServer(log=log_dir / "redis.log", scratch=self._scratch, ledger=children)
        self._proxy = FaultProxy(choice, log=log_dir / "proxy.log", ledger=children)
        self._backend = BackendProcess(backend, log=log_dir / "backend.log", ledger=children)
        self._edge_ports = {edge: Reservation() for edge in Edge}
        self._toxiproxy = toxiproxy
        self.run_id = run_id

    @property
    def facts(self) -> StackFacts:
        return self._facts

    @property
    def capabilities(self) -> frozenset[tuple[Service, Capability]]:
        found = {(service, capability) for service in Service for capability in PROCESS_CAPABILITIES}
        found |= {(service, Capability.EDGE) for service in (Service.POSTGRES, Service.REDIS, Service.BACKEND)}
        found |= {(Service.POSTGRES, Capability.POSTGRES_ADMIN), (Service.POSTGRES, Capability.SIGNAL_POSTGRES_BACKEND)}
        found |= {(Service.REDIS, Capability.REDIS_ADMIN)}
        if not self._toxiproxy:
            found |= {(Service.PROXY, Capability.PROXY_EXTENSIONS)}
        return frozenset(found)

    @property
    def postgres(self) -> PostgresAccess:
        return self._postgres.access

    @property
    def redis(self) -> Address:
        return self._redis.address

    @property
    def backend(self) -> Address:
        return self._backend.address

    @property
    def client(self) -> Address:
        return self._edge_ports[Edge.CLIENT].address

    @property
    def edges(self) -> Edges:
        return self._proxy.edges

    async def start(self) -> None:
        """Bring Postgres, Redis and the proxy up at once; whatever fails, the others are ended before it is raised."""
        self._scratch_entry = self._children.directory(self._scratch)
        self._scratch.mkdir(mode=0o700, parents=True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._postgres_up())
                group.create_task(self._redis_up())
                group.create_task(self._proxy_up())
        except BaseExceptionGroup as errors:
            await self.stop()
            raise _first(errors) from errors
        except BaseException:
            await self.stop()
            raise

    async def start_service(self, service: Service) -> None:
        child = self._child(service)
        if child and child.is_running():
            raise EnvironmentTrouble(f"{service} is running already")
        if child:
            await child.kill()  # It ended by itself: see that all of it is gone before its successor starts.
        starts: dict[Service, Callable[[], Awaitable[None]]] = {
            Service.POSTGRES: self._postgres_started,
            Service.REDIS: self._redis_up,
            Service.PROXY: self._proxy_up,
            Service.BACKEND: self._backend_up,
        }
        await starts[service]()

    async def kill(self, service: Service) -> None:
        await self._running(service).kill()

    async def stop_service(self, service: Service, *, timeout_s: float) -> bool:
        # Postgres waits for its sessions to end by themselves on SIGTERM; containers stop it by SIGINT too.
        by = signal.SIGINT if service is Service.POSTGRES else signal.SIGTERM
        return await self._running(service).end(timeout_s=timeout_s, by=by)

    async def pause(self, service: Service) -> None:
        self._running(service).pause()

    async def resume(self, service: Service) -> None:
        if child := self._child(service):
            child.resume()

    async def disconnect(self, service: Service) -> None:
        raise EnvironmentTrouble(
            f"a process can't be taken off the network ({service}); use an edge, or --stack docker"
        )

    async def reconnect(self, service: Service) -> None:
        """Nothing was ever disconnected."""

    async def limit(self, service: Service, limits: Limits) -> None:
        raise EnvironmentTrouble(f"a process can't be limited ({service}, {limits}); use --stack docker")

    async def signal_postgres_backend(self, pid: int, number: signal.Signals) -> None:
        """Only a process of this Postgres is signalled, whatever the number."""
        members = family(self._running(Service.POSTGRES).identity)
        if not any(member.pid == pid and send(member, number) for member in members):
            raise EnvironmentTrouble(f"no process {pid} in this Postgres")

    def is_running(self, service: Service) -> bool:
        child = self._child(service)
        return child is not None and child.is_running()

    def figures(self, service: Service) -> ProcessFigures:
        child = self._child(service)
        return child.figures() if child else ProcessFigures(pid=0, alive=False)

    async def stop(self) -> None:
        """The backend first, so that it says goodbye to services that still answer; every step runs whatever fails."""
        errors = []
        for service in (self._backend, self._proxy, self._redis, self._postgres):
            try:
                await service.stop()
            except Exception as error:  # noqa: BLE001 - told below, after everything else has been ended
                errors.append(error)
            service.release()
        for port in self._edge_ports.values():
            port.release()
        await in_thread(lambda: shutil.rmtree(self._scratch, ignore_errors=True))
        if self._scratch_entry and not self._scratch.exists():
            self._children.release(self._scratch_entry)
        if errors:
            raise EnvironmentTrouble(f"could not end: {'; '.join(map(str, errors))}; run `harness clean`")

    def _child(self, service: Service) -> Child | None:
        children: dict[Service, Child | None] = {
            Service.POSTGRES: self._postgres.child,
            Service.REDIS: self._redis.child,
            Service.PROXY: self._proxy.child,
            Service.BACKEND: self._backend.child,
        }
        return children[service]

    def _running(self, service: Service) -> Child:
        child = self._child(service)
        if child is None:
            raise EnvironmentTrouble(f"{service} was never started")
        return child

    def _learn(self, name: str, version: str) -> None:
        self._facts = replace(self._facts, versions={**self._facts.versions, name: version})

    async def _postgres_up(self) -> None:
        await self._postgres.create()
        await self._postgres_started()

    async def _postgres_started(self) -> None:
        self._learn("postgres", f"postgresql {await self._postgres.start()}")

    async def _redis_up(self) -> None:
        self._learn("redis", await self._redis.start())

    async def _proxy_up(self) -> None:
        self._learn("proxy", await self._proxy.start())
        upstreams = {Edge.CLIENT: self.backend, Edge.POSTGRES: self.postgres.address, Edge.REDIS: self.redis}
        for edge, upstream in upstreams.items():
            await self.edges.create(edge, listen=str(self._edge_ports[edge].address), upstream=str(upstream))

    async def _backend_up(self) -> None:
        postgres = replace(self.postgres, address=self._edge_ports[Edge.POSTGRES].address)
        redis = self._edge_ports[Edge.REDIS].address
        await self._backend.start(placeholders(listen=self.backend, postgres=postgres, redis=redis))


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first plain error of the group: one cause is told, the rest were cancelled because of it."""
    found = errors.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
