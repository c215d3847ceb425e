"""The stack that runs already: attached to by URLs, broken only where that is allowed, never ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from harness.live.children import ChildLedger, Entry
from harness.live.stack import postgres_server, redis_server
from harness.live.stack.backend_process import until_ready
from harness.live.stack.edges import Edges, EdgeTrouble
from harness.live.stack.fault_proxy import FaultProxy, ProxyChoice
from harness.live.stack.model import (
    Address,
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

VARIABLES = {
    "backend": "HARNESS_EXTERNAL_BACKEND_URL",
    "postgres": "HARNESS_EXTERNAL_POSTGRES_URL",
    "redis": "HARNESS_EXTERNAL_REDIS_URL",
    "toxiproxy": "HARNESS_EXTERNAL_TOXIPROXY_URL",
    "allow": "HARNESS_EXTERNAL_ALLOW",
}
ALLOWANCES: Mapping[str, frozenset[tuple[Service, Capability]]] = {
    "edges": frozenset((service, Capability.EDGE) for service in (Service.POSTGRES, Service.REDIS)),
    "postgres": frozenset({(Service.POSTGRES, Capability.POSTGRES_ADMIN)}),
    "redis": frozenset({(Service.REDIS, Capability.REDIS_ADMIN)}),
}
SERVED_BY = {Service.POSTGRES: Edge.POSTGRES, Service.REDIS: Edge.REDIS}
READY_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """Where everything is, and which faults are allowed (`edges`, `postgres`, `redis`). `toxiproxy` may be missing."""

    backend: Address
    postgres: PostgresAccess
    redis: Address
    toxiproxy: Address | None = None
    allow: frozenset[str] = frozenset()


def from_environment(environment: Mapping[str, str] | None = None, *, control_database: str = "control") -> External:
    """Read the `HARNESS_EXTERNAL_*` variables. Raises `EnvironmentTrouble` with every mistake."""
    env = os.environ if environment is None else environment
    wrong: list[str] = []
    parts = {name: _split(env, name, wrong) for name in ("backend", "postgres", "redis", "toxiproxy")}
    allow = frozenset(word for word in env.get(VARIABLES["allow"], "").replace(",", " ").split() if word)
    wrong += [
        f"{VARIABLES['allow']}: {word!r}; known: {', '.join(ALLOWANCES)}" for word in sorted(allow - {*ALLOWANCES})
    ]
    backend, postgres, redis, toxiproxy = parts.values()
    if wrong or backend is None or postgres is None or redis is None:
        raise EnvironmentTrouble("--stack external: " + "; ".join(wrong))
    return External(
        backend=_address(backend, 80),
        postgres=PostgresAccess(
            address=_address(postgres, 5432),
            user=unquote(postgres.username or "postgres"),
            password=unquote(postgres.password or ""),
            control_database=unquote(postgres.path.strip("/")) or control_database,
        ),
        redis=_address(redis, 6379),
        toxiproxy=_address(toxiproxy, 8474) if toxiproxy else None,
        allow=allow,
    )


def _split(env: Mapping[str, str], name: str, wrong: list[str]) -> SplitResult | None:
    schemes = {"backend": "http", "postgres": "postgresql", "redis": "redis", "toxiproxy": "http"}
    text = env.get(VARIABLES[name], "")
    if not text:
        if name != "toxiproxy":
            wrong.append(f"{VARIABLES[name]} is missing; set it to {schemes[name]}://host:port")
        return None
    parts = urlsplit(text)
    try:
        known = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or parts.scheme != schemes[name]:
        wrong.append(f"{VARIABLES[name]}: {parts.scheme}://{parts.hostname} is no {schemes[name]}://host:port")
    return parts


def _address(parts: SplitResult, port: int) -> Address:
    return Address(parts.hostname or "", parts.port or port)


class ExternalStack:
    """Observers and the final read go to the given URLs; load goes through a proxy on the client's edge.

    That proxy is the given Toxiproxy's, where it has one named as the edge; else our own, which can also break that
    one edge. Edges of the given Toxiproxy are broken only where `edges` is allowed, and put right at the end.
    """

    def __init__(
        self,
        external: External,
        log_dir: Path,
        *,
        children: ChildLedger,
        proxy: ProxyChoice,
        ready: str,
        why: str = "asked for",
    ) -> None:
        self._external = external
        self._children = children
        self._ready = ready
        self._own = FaultProxy(proxy, log=log_dir / "proxy.log", ledger=children)
        self._own_port = Reservation()
        self._given: Edges | None = Edges(external.toxiproxy) if external.toxiproxy else None
        self._given_edges: frozenset[Edge] = frozenset()
        self._client = self._own_port.address
        self._healing: Entry | None = None
        self._facts = StackFacts(name="external", why=why)

    @property
    def facts(self) -> StackFacts:
        return self._facts

    @property
    def capabilities(self) -> frozenset[tuple[Service, Capability]]:
        found = {(Service.BACKEND, Capability.EDGE)} if self._breaks_client_edge else set()
        for word in self._external.allow:
            found |= ALLOWANCES[word]
        missing = {service for service, edge in SERVED_BY.items() if edge not in self._given_edges}
        return frozenset(found - {(service, Capability.EDGE) for service in missing})

    @property
    def postgres(self) -> PostgresAccess:
        return self._external.postgres

    @property
    def redis(self) -> Address:
        return self._external.redis

    @property
    def backend(self) -> Address:
        return self._external.backend

    @property
    def client(self) -> Address:
        return self._client

    @property
    def edges(self) -> Edges:
        """The given Toxiproxy's, else our own proxy's, which has the client's edge only."""
        return self._given if self._given and self._given_edges else self._own.edges

    async def start(self) -> None:
        """See that everything answers. Raises `EnvironmentTrouble` where Postgres or Redis doesn't."""
        try:
            await self._services_answer()
            await self._given_proxy()
            if Edge.CLIENT not in self._given_edges:
                await self._own_proxy()
        except BaseException:
            await self.stop()
            raise

    async def start_service(self, service: Service) -> None:
        """The backend runs already, or doesn't: it is only waited for."""
        if service is not Service.BACKEND:
            raise _not_ours(service)
        await until_ready(f"http://{self.backend}{self._ready}", timeout_s=READY_TIMEOUT_S)

    async def kill(self, service: Service) -> None:
        raise _not_ours(service)

    async def stop_service(self, service: Service, *, timeout_s: float) -> bool:
        raise _not_ours(service)

    async def pause(self, service: Service) -> None:
        raise _not_ours(service)

    async def resume(self, service: Service) -> None:
        """Nothing was ever frozen."""

    async def disconnect(self, service: Service) -> None:
        raise _not_ours(service)

    async def reconnect(self, service: Service) -> None:
        """Nothing was ever disconnected."""

    async def limit(self, service: Service, limits: Limits) -> None:
        raise _not_ours(service)

    async def signal_postgres_backend(self, pid: int, number: signal.Signals) -> None:
        raise _not_ours(Service.POSTGRES)

    def is_running(self, service: Service) -> bool:
        """Not ours to know; whether it answers is for health checks to say."""
        return True

    def figures(self, service: Service) -> ProcessFigures:
        return ProcessFigures(pid=0, alive=True)

    async def stop(self) -> None:
        """End what is ours and put the given proxy's edges right; the rest goes on."""
        trouble = ""
        if self._given and self._healing:
            try:
                await self._given.reset()
                self._children.release(self._healing)
            except EdgeTrouble as error:
                trouble = str(error)
        await self._own.stop()
        self._own.release()
        self._own_port.release()
        if trouble:
            raise EnvironmentTrouble(f"the given Toxiproxy's edges stay broken: {trouble}; run `harness clean`")

    @property
    def _breaks_client_edge(self) -> bool:
        """`edges` drives one proxy: our own, or the given one as far as that is allowed."""
        return not self._given_edges or (Edge.CLIENT in self._given_edges and "edges" in self._external.allow)

    async def _services_answer(self) -> None:
        for name, ask in (
            ("postgres", postgres_server.version(self.postgres)),
            ("redis", redis_server.ask(self.redis)),
        ):
            try:
                async with asyncio.timeout(READY_TIMEOUT_S):
                    self._learn(name, await ask)
            except Exception as error:
                raise EnvironmentTrouble(
                    f"{name} at {VARIABLES[name]} does not answer: {type(error).__name__}: {error}; "
                    "start it, or mend the URL"
                ) from error

    async def _given_proxy(self) -> None:
        if self._given is None:
            return
        try:
            self._learn("proxy", f"toxiproxy {await self._given.version()}")
            states = await self._given.states()
        except EdgeTrouble as error:
            raise EnvironmentTrouble(f"the Toxiproxy at {VARIABLES['toxiproxy']} does not answer: {error}") from error
        broken = [str(edge) for edge, state in states.items() if state.toxics or not state.enabled]
        if broken:
            raise EnvironmentTrouble(f"edges are broken before the run: {', '.join(broken)}; reset the Toxiproxy")
        self._given_edges = frozenset(states)
        if Edge.CLIENT in states:
            self._client = Address(self._given.control.host, states[Edge.CLIENT].listen.port)
        if "edges" in self._external.allow and states:
            heal = (sys.executable, "-m", "harness.live.stack.heal_edges", str(self._given.control))
            self._healing = self._children.heal("edges of the given Toxiproxy", heal)

    async def _own_proxy(self) -> None:
        self._learn("proxy", f"{self._facts.versions.get('proxy', '')} {await self._own.start()}".strip())
        await self._own.edges.create(Edge.CLIENT, listen=str(self._own_port.address), upstream=str(self.backend))

    def _learn(self, name: str, version: str) -> None:
        self._facts = replace(self._facts, versions={**self._facts.versions, name: version})


def _not_ours(service: Service) -> EnvironmentTrouble:
    return EnvironmentTrouble(f"{service} is not ours to touch with --stack external; use --stack embedded or docker")
