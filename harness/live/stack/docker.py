"""The stack of containers: official images, the real Toxiproxy, a network of its own."""

from __future__ import annotations

import asyncio
import secrets
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from docker.errors import DockerException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import Reaper
from testcontainers.core.network import Network

from harness.clock import Clock, wait_until
from harness.live.children import ChildLedger, Entry
from harness.live.stack import postgres_server, redis_server
from harness.live.stack.backend_image import backend_image
from harness.live.stack.backend_process import fill, placeholders, until_ready
from harness.live.stack.container import Container, ContainerPlan, end_reaper, make_network
from harness.live.stack.edges import Edges
from harness.live.stack.engine import RUN_LABEL, connect, labels, remove_labelled
from harness.live.stack.images import Images, ensure
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
from harness.live.stack.toxiproxy_log import WireLog
from harness.live.threads import in_thread
from harness.record.writer import RowWriter

POSTGRES_PORT, REDIS_PORT, CONTROL_PORT = 5432, 6379, 8474
CLIENT_EDGE_PORT = 8001
READY_TIMEOUT_S = 60.0
LOG_TIMEOUT_S = 3.0
# As the embedded Postgres: a run's data never outlives it.
POSTGRES_SETTINGS = ("fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")
EVERY_CAPABILITY = (
    Capability.KILL,
    Capability.STOP,
    Capability.PAUSE,
    Capability.RESTART,
    Capability.DISCONNECT,
    Capability.LIMIT,
)
T = TypeVar("T")


class DockerStack:
    """Containers on a bridge network of the run's own, every published port on 127.0.0.1 and the same for good.

    Inside, services find each other by alias, which follows a restarted container to its new address; the backend
    only knows the fault proxy's. `tell` hears of pulls and builds; `proxy_events` is the wire
    ledger's file.
    """

    def __init__(
        self,
        backend: BackendCommand,
        log_dir: Path,
        run_id: str,
        *,
        children: ChildLedger,
        images: Images,
        origin_ns: int,
        proxy_events: Path,
        control_database: str = "control",
        postgres_connections_max: int = 300,
        why: str = "asked for",
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.run_id = run_id
        self._command = backend
        self._log_dir = log_dir
        self._children = children
        self._images = images
        self._clock = Clock(origin_ns)
        self._proxy_events = proxy_events
        self._wire_writer: RowWriter | None = None
        self._connections_max = postgres_connections_max
        self._tell = tell
        self._facts = StackFacts(name="docker", why=why)
        self._labels = labels(children.name)
        self._entry: Entry | None = None
        self._network: Network | None = None
        self._containers: dict[Service, Container] = {}
        self._ports = {port: Reservation() for port in (POSTGRES_PORT, REDIS_PORT, CONTROL_PORT, CLIENT_EDGE_PORT)}
        self._backend_port = Reservation()
        self._edges = Edges(self._ports[CONTROL_PORT].address)
        self._access = PostgresAccess(
            address=self._ports[POSTGRES_PORT].address,
            user=postgres_server.SUPERUSER,
            password=secrets.token_hex(12),
            control_database=control_database,
        )

    @property
    def facts(self) -> StackFacts:
        return self._facts

    @property
    def capabilities(self) -> frozenset[tuple[Service, Capability]]:
        found = {(service, capability) for service in Service for capability in EVERY_CAPABILITY}
        found |= {(service, Capability.EDGE) for service in (Service.POSTGRES, Service.REDIS, Service.BACKEND)}
        found |= {(Service.POSTGRES, Capability.POSTGRES_ADMIN), (Service.POSTGRES, Capability.SIGNAL_POSTGRES_BACKEND)}
        return frozenset(found | {(Service.REDIS, Capability.REDIS_ADMIN)})

    @property
    def postgres(self) -> PostgresAccess:
        return self._access

    @property
    def redis(self) -> Address:
        return self._ports[REDIS_PORT].address

    @property
    def backend(self) -> Address:
        return self._backend_port.address

    @property
    def client(self) -> Address:
        return self._ports[CLIENT_EDGE_PORT].address

    @property
    def edges(self) -> Edges:
        return self._edges

    @property
    def images(self) -> Images:
        """Which images run; the backend's is named once it is known, by `prepare_images` at the latest."""
        return self._images

    async def prepare_images(self) -> None:
        """See that an engine answers and has the images: pulled, built. Quick the second time; `start` does it too."""
        ended = threading.Event()
        try:
            await in_thread(lambda: self._have_images(ended), on_cancel=ended.set)
        except (DockerException, OSError) as error:
            raise EnvironmentTrouble(f"the Docker engine refused: {error}") from error

    async def start(self) -> None:
        """Images, network, then Postgres, Redis and Toxiproxy at once; whatever fails, everything is removed again."""
        try:
            await self.prepare_images()
            await in_thread(self._make_network)
            async with asyncio.TaskGroup() as group:
                for service in (Service.POSTGRES, Service.REDIS, Service.PROXY):
                    group.create_task(self.start_service(service))
        except BaseExceptionGroup as errors:
            await self.stop()
            raise errors.exceptions[0] from errors
        except BaseException:
            await self.stop()
            raise

    async def start_service(self, service: Service) -> None:
        container = self._containers.get(service) or self._made(service)
        if await in_thread(container.is_running):
            raise EnvironmentTrouble(f"{service} is running already")
        await in_thread(container.start)
        answers: dict[Service, Callable[[], Awaitable[None]]] = {
            Service.POSTGRES: self._postgres_answers,
            Service.REDIS: self._redis_answers,
            Service.PROXY: self._proxy_answers,
            Service.BACKEND: self._backend_answers,
        }
        await answers[service]()

    async def kill(self, service: Service) -> None:
        await self._engine(self._started(service).kill)

    async def stop_service(self, service: Service, *, timeout_s: float) -> bool:
        container = self._started(service)
        return await self._engine(lambda: container.stop(timeout_s))

    async def pause(self, service: Service) -> None:
        await self._engine(self._started(service).pause)

    async def resume(self, service: Service) -> None:
        if (container := self._containers.get(service)) and container.was_started:
            await self._engine(container.resume)

    async def disconnect(self, service: Service) -> None:
        await self._engine(self._started(service).disconnect)

    async def reconnect(self, service: Service) -> None:
        if (container := self._containers.get(service)) and container.was_started:
            await self._engine(container.reconnect)

    async def limit(self, service: Service, limits: Limits) -> None:
        container = self._started(service)
        await self._engine(lambda: container.limit(limits))

    async def signal_postgres_backend(self, pid: int, number: signal.Signals) -> None:
        container = self._started(Service.POSTGRES)
        await self._engine(lambda: container.signal_process(pid, number))

    def is_running(self, service: Service) -> bool:
        container = self._containers.get(service)
        return container is not None and container.is_running()

    def figures(self, service: Service) -> ProcessFigures:
        container = self._containers.get(service)
        return container.figures() if container else ProcessFigures(pid=0, alive=False)

    async def stop(self) -> None:
        """Ask the backend to end, then remove containers, volumes and the network, by label, so that none is missed."""
        backend = self._containers.get(Service.BACKEND)
        trouble = ""
        try:
            if backend and self.is_running(Service.BACKEND):
                await in_thread(backend.resume)
                await in_thread(lambda: backend.stop(self._command.stop_timeout_s))
        except (DockerException, OSError) as error:
            trouble = f"the backend: {error}"
        if self._entry:
            try:
                await in_thread(self._remove)
                self._children.release(self._entry)
            except (DockerException, OSError, EnvironmentTrouble) as error:
                trouble = f"containers: {error}"
        for reserved in (*self._ports.values(), self._backend_port):
            reserved.release()
        if trouble:
            raise EnvironmentTrouble(f"could not end {trouble}; run `harness clean`")

    def _remove(self) -> None:
        client = connect()
        remove_labelled(client, f"{RUN_LABEL}={self._children.name}")
        client.close()
        for container in self._containers.values():
            container.join_followers(LOG_TIMEOUT_S)
            container.close()
        if self._wire_writer:
            self._wire_writer.close()
        if self._images.ryuk:
            end_reaper()

    def _have_images(self, ended: threading.Event) -> None:
        """Blocks: connects to the engine, pulls what is missing, builds the backend's image."""
        client = connect()
        try:
            ensure(client, self._images, tell=self._tell, ended=ended)
            image = backend_image(client, self._command, self._images, self._tell)
            self._learn("docker", f"engine {client.version().get('Version', 'unknown')}")
        finally:
            client.close()
        self._images = replace(self._images, backend=image)

    def _make_network(self) -> None:
        testcontainers_config.ryuk_disabled = not self._images.ryuk
        testcontainers_config.ryuk_image = self._images.ryuk or testcontainers_config.ryuk_image
        self._entry = self._children.docker(f"{RUN_LABEL}={self._children.name}")
        if self._images.ryuk:
            # Now, because the first containers start at once, and each would make a reaper.
            Reaper.get_instance()
        self._network = make_network(f"tenant-harness-{self._children.name}", self._labels)

    def _made(self, service: Service) -> Container:
        plans = {
            Service.POSTGRES: self._postgres_plan,
            Service.REDIS: self._redis_plan,
            Service.PROXY: self._proxy_plan,
            Service.BACKEND: self._backend_plan,
        }
        if self._network is None:
            raise EnvironmentTrouble("the stack was never started")
        self._containers[service] = Container(plans[service](), self._network)
        return self._containers[service]

    def _plan(
        self,
        service: Service,
        image: str,
        ports: dict[int, Reservation],
        *,
        environment: dict[str, str] | None = None,
        command: tuple[str, ...] = (),
        wire: WireLog | None = None,
    ) -> ContainerPlan:
        return ContainerPlan(
            name=f"{service}-{self._children.name}",
            image=image,
            alias=str(service),
            ports=ports,
            labels=self._labels,
            log=self._log_dir / f"{service}.log",
            environment=environment or {},
            command=command,
            wire=wire,
        )

    def _postgres_plan(self) -> ContainerPlan:
        settings = (*POSTGRES_SETTINGS, f"max_connections={self._connections_max}")
        return self._plan(
            Service.POSTGRES,
            self._images.postgres,
            {POSTGRES_PORT: self._ports[POSTGRES_PORT]},
            environment={
                "POSTGRES_USER": self._access.user,
                "POSTGRES_PASSWORD": self._access.password,
                "POSTGRES_DB": self._access.control_database,
            },
            command=("postgres", *(part for setting in settings for part in ("-c", setting))),
        )

    def _redis_plan(self) -> ContainerPlan:
        command = ("redis-server", "--save", "", "--appendonly", "no", "--protected-mode", "no")
        return self._plan(Service.REDIS, self._images.redis, {REDIS_PORT: self._ports[REDIS_PORT]}, command=command)

    def _proxy_plan(self) -> ContainerPlan:
        ports = {port: self._ports[port] for port in (CONTROL_PORT, CLIENT_EDGE_PORT)}
        writer = self._wire_writer = RowWriter(self._proxy_events)
        wire = WireLog(self._clock.now_ns, lambda row: writer.append(row, now=True))
        # At this level, its own default, it tells of every connection.
        return self._plan(Service.PROXY, self._images.toxiproxy, ports, environment={"LOG_LEVEL": "trace"}, wire=wire)

    def _backend_plan(self) -> ContainerPlan:
        port = self._command.container_port
        proxy = str(Service.PROXY)
        values = placeholders(
            listen=Address("0.0.0.0", port),
            postgres=replace(self._access, address=Address(proxy, POSTGRES_PORT)),
            redis=Address(proxy, REDIS_PORT),
        )
        return self._plan(
            Service.BACKEND,
            self._images.backend,
            {port: self._backend_port},
            environment={name: fill(value, values) for name, value in self._command.env.items()},
        )

    async def _postgres_answers(self) -> None:
        version = await self._answered(Service.POSTGRES, lambda: postgres_server.ask(self._access))
        self._learn("postgres", f"postgresql {version} ({self._images.postgres})")

    async def _redis_answers(self) -> None:
        version = await self._answered(Service.REDIS, lambda: redis_server.ask(self.redis))
        self._learn("redis", f"{version} ({self._images.redis})")

    async def _proxy_answers(self) -> None:
        version = await self._answered(Service.PROXY, self._edges.version)
        self._learn("proxy", f"toxiproxy {version} ({self._images.toxiproxy})")
        backend = f"{Service.BACKEND}:{self._command.container_port}"
        for edge, inside, upstream in (
            (Edge.CLIENT, CLIENT_EDGE_PORT, backend),
            (Edge.POSTGRES, POSTGRES_PORT, f"{Service.POSTGRES}:{POSTGRES_PORT}"),
            (Edge.REDIS, REDIS_PORT, f"{Service.REDIS}:{REDIS_PORT}"),
        ):
            # All interfaces of the container, which only its network and the port published on loopback reach.
            await self._edges.create(edge, listen=f"0.0.0.0:{inside}", upstream=upstream)

    async def _backend_answers(self) -> None:
        container = self._containers[Service.BACKEND]
        url = f"http://{self.backend}{self._command.ready}"
        await until_ready(url, timeout_s=self._command.ready_timeout_s, ended=lambda: not container.is_running())
        self._refuse_if_ended(Service.BACKEND)
        self._learn("backend", self._images.backend)

    async def _answered(self, service: Service, ask: Callable[[], Awaitable[str]]) -> str:
        answers: list[str] = []

        async def asked() -> bool:
            if self._containers[service].is_running():
                answers.append(await ask())
            return True

        await wait_until(asked, what=f"{service} to answer", timeout_s=READY_TIMEOUT_S, interval_s=0.05)
        self._refuse_if_ended(service)
        return answers[-1] if answers else ""

    def _refuse_if_ended(self, service: Service) -> None:
        container = self._containers[service]
        if not container.is_running():
            raise EnvironmentTrouble(f"{service} ended before it was ready; its output ends:\n{container.log_tail()}")

    def _started(self, service: Service) -> Container:
        container = self._containers.get(service)
        if container is None or not container.was_started:
            raise EnvironmentTrouble(f"{service} was never started")
        return container

    async def _engine(self, act: Callable[[], T]) -> T:
        try:
            return await in_thread(act)
        except (DockerException, OSError) as error:
            raise EnvironmentTrouble(f"the Docker engine refused: {error}") from error

    def _learn(self, name: str, version: str) -> None:
        self._facts = replace(self._facts, versions={**self._facts.versions, name: version})
