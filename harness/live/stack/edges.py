"""Drives the fault proxy, built-in or real, through toxiproxy-python (see `toxiproxy_client`, which adapts it)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Literal, TypeVar

import httpx
from toxiproxy import Toxiproxy
from toxiproxy.proxy import Proxy as ClientProxy

from harness.live.stack.model import Address, Edge
from harness.live.stack.toxiproxy_client import Busy, bypass_http_proxies, talk_to

Stream = Literal["upstream", "downstream"]
DEADLINE_S = 5.0
BUSY_PAUSE_S = 0.1
EXTENSIONS_HEADER = "Fault-Proxy-Extensions"
"""Where the built-in proxy tells, with its version, what it has beyond the contract."""
T = TypeVar("T")


class EdgeTrouble(Exception):
    """The fault proxy refused, did not answer in time, or answered and did not do it; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """One toxic on an edge: `attributes` and their units are those of the Toxiproxy contract."""

    name: str
    type: str
    stream: Stream = "downstream"
    toxicity: float = 1.0
    attributes: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeState:
    """What the proxy says of an edge."""

    listen: Address
    upstream: str
    enabled: bool
    toxics: tuple[Toxic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConnection:
    """One open connection as the built-in proxy tells it."""

    connection: int
    client: str
    upstream_port: int | None
    opened_ns: int
    toxics: tuple[str, ...] = ()
    bytes_up: int = 0
    bytes_down: int = 0
    database: str | None = None
    user: str | None = None
    client_name: str | None = None


class Edges:
    """The proxies in front of the edges, by edge. Every call has a deadline and is checked by reading back.

    Raises `EdgeTrouble` wherever what was asked for is not seen to be so.
    """

    def __init__(self, control: Address, *, deadline_s: float = DEADLINE_S) -> None:
        self.control = control
        self._deadline_s = deadline_s
        bypass_http_proxies(control.host)

    async def version(self) -> str:
        """What the server calls itself, a semantic version or `git`."""
        content = await self._call("version", lambda: Toxiproxy().version())
        if not content:
            raise EdgeTrouble(f"nothing listens on {self.control}")
        return str(json.loads(content)["version"])

    async def extensions(self) -> frozenset[str]:
        """Which toxics and calls beyond the contract the server has; none on a real Toxiproxy."""
        told = (await self._http("GET", "/version")).headers.get(EXTENSIONS_HEADER, "")
        return frozenset(word for word in told.split(",") if word)

    async def create(self, edge: Edge, *, listen: str, upstream: str) -> EdgeState:
        """Put a proxy on the edge; `listen` port 0 takes any free one. Raises where the edge has one already."""
        await self._call(f"create {edge}", lambda: Toxiproxy().create(upstream, str(edge), listen=listen, enabled=True))
        return await self._expect(edge, "enabled after creation", lambda state: state.enabled)

    async def state(self, edge: Edge) -> EdgeState:
        return await self._call(f"read {edge}", lambda: _state(_proxy(edge)))

    async def states(self) -> dict[Edge, EdgeState]:
        """All edges that have a proxy; proxies of others are left out."""
        names = {str(edge) for edge in Edge}
        found = await self._call(
            "read all", lambda: {n: _state(p) for n, p in Toxiproxy().proxies().items() if n in names}
        )
        return {Edge(name): state for name, state in found.items()}

    async def disable(self, edge: Edge) -> None:
        """Cut the edge: its connections are closed and new ones refused. Toxics stay."""
        await self._call(f"disable {edge}", lambda: _proxy(edge).disable())
        await self._expect(edge, "disabled", lambda state: not state.enabled)

    async def enable(self, edge: Edge) -> None:
        await self._call(f"enable {edge}", lambda: _proxy(edge).enable())
        await self._expect(edge, "enabled", lambda state: state.enabled)

    async def add_toxic(self, edge: Edge, toxic: Toxic) -> None:
        await self._call(f"add {toxic.name} to {edge}", lambda: _proxy(edge).add_toxic(**_arguments(toxic)))
        await self._expect(edge, f"with {toxic}", lambda state: _holds(state, toxic))

    async def update_toxic(self, edge: Edge, toxic: Toxic) -> None:
        """Change attributes and toxicity of the toxic of that name; type and stream can't change."""
        body = {"attributes": dict(toxic.attributes), "toxicity": toxic.toxicity}
        await self._http("POST", f"/proxies/{edge}/toxics/{toxic.name}", body)
        await self._expect(edge, f"with {toxic}", lambda state: _holds(state, toxic))

    async def remove_toxic(self, edge: Edge, name: str) -> None:
        """Take the toxic away; nothing happens where it isn't there."""
        if any(toxic.name == name for toxic in (await self.state(edge)).toxics):
            await self._call(f"remove {name} from {edge}", lambda: _proxy(edge).destroy_toxic(name))
        await self._expect(edge, f"without {name}", lambda state: all(toxic.name != name for toxic in state.toxics))

    async def reset(self) -> None:
        """Enable every edge and take all its toxics away. A server's other proxies are not ours to touch."""
        for edge, state in (await self.states()).items():
            for toxic in state.toxics:
                await self.remove_toxic(edge, toxic.name)
            if not state.enabled:
                await self.enable(edge)

    async def connections(self, edge: Edge) -> tuple[OpenConnection, ...]:
        """Connections open on the edge now. Raises `EdgeTrouble` on a server without this extension."""
        raw = await self._http("GET", f"/proxies/{edge}/connections")
        return tuple(
            OpenConnection(
                connection=one["connection"],
                client=one["client"],
                upstream_port=one["upstream_port"],
                opened_ns=one["opened_ns"],
                toxics=tuple(one["toxics"]),
                bytes_up=one["bytes_up"],
                bytes_down=one["bytes_down"],
                database=one["database"],
                user=one["user"],
                client_name=one["client_name"],
            )
            for one in raw.json()
        )

    def close(self) -> None:
        """Nothing is kept open between calls; here for whoever owns one."""

    async def __aenter__(self) -> Edges:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _expect(self, edge: Edge, what: str, holds: Callable[[EdgeState], bool]) -> EdgeState:
        state = await self.state(edge)
        if not holds(state):
            raise EdgeTrouble(f"{edge} should be {what}, but the proxy says {state}")
        return state

    async def _call(self, what: str, ask: Callable[[], T]) -> T:
        """A call of the client."""
        return await self._insistently(what, lambda: self._in_thread(what, ask))

    async def _http(self, method: str, path: str, body: object = None) -> httpx.Response:
        """For what the client has no verb for."""
        return await self._insistently(f"{method} {path}", lambda: self._request(method, path, body))

    async def _insistently(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """The call, again and again while the proxy is too busy to begin it, until the time of all of them is up."""
        said = ""
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    try:
                        return await attempt()
                    except Busy as busy:
                        said = f", but {busy}"
                    await asyncio.sleep(BUSY_PAUSE_S)
        except TimeoutError as error:
            raise EdgeTrouble(f"{what}: no answer from {self.control} within {self._deadline_s:g} s{said}") from error
        except EdgeTrouble:
            raise
        except Exception as error:
            raise EdgeTrouble(f"{what}: {type(error).__name__}: {error}") from error

    async def _in_thread(self, what: str, ask: Callable[[], T]) -> T:
        """The client knows no deadline: it runs in a thread of its own that may be left behind."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(set_it: Callable[..., None], value: object) -> None:
            if not answer.done():
                set_it(value)

        def run() -> None:
            talk_to(self.control)
            try:
                result = ask()
            except Exception as error:  # noqa: BLE001 - whatever the client raises is told by `_insistently`
                _unless_closed(loop, settle, answer.set_exception, error)
            else:
                _unless_closed(loop, settle, answer.set_result, result)

        threading.Thread(target=copy_context().run, args=(run,), daemon=True, name=f"toxiproxy {what}").start()
        return await answer

    async def _request(self, method: str, path: str, body: object) -> httpx.Response:
        async with httpx.AsyncClient(timeout=self._deadline_s, trust_env=False) as client:
            answer = await client.request(method, f"http://{self.control}{path}", json=body)
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise Busy(answer.text.strip())
        if answer.is_error:
            raise EdgeTrouble(f"{method} {path}: {answer.status_code} {answer.text.strip()}")
        return answer


def _unless_closed(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    """Hand a late answer to the loop; where that is closed nobody waits for it any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *arguments)


def _proxy(edge: Edge) -> ClientProxy:
    found = Toxiproxy().get_proxy(str(edge))
    if found is None:
        raise EdgeTrouble(f"no proxy named {edge}")
    return found


def _state(proxy: ClientProxy) -> EdgeState:
    host, _, port = proxy.listen.rpartition(":")
    toxics = tuple(
        Toxic(
            name=toxic.name,
            type=toxic.type,
            stream=toxic.stream,
            toxicity=toxic.toxicity,
            attributes=dict(toxic.attributes),
        )
        for toxic in proxy.toxics().values()
    )
    return EdgeState(listen=Address(host, int(port)), upstream=proxy.upstream, enabled=proxy.enabled, toxics=toxics)


def _arguments(toxic: Toxic) -> dict[str, object]:
    return {
        "name": toxic.name,
        "type": toxic.type,
        "stream": toxic.stream,
        "toxicity": toxic.toxicity,
        "attributes": dict(toxic.attributes),
    }


def _holds(state: EdgeState, wanted: Toxic) -> bool:
    """Whether the toxic is there as asked for; attributes that were not given may have any value."""
    return any(
        (toxic.name, toxic.type, toxic.stream) == (wanted.name, wanted.type, wanted.stream)
        and abs(toxic.toxicity - wanted.toxicity) < 1e-6  # servers keep it as a 32-bit float
        and all(toxic.attributes.get(key) == value for key, value in wanted.attributes.items())
        for toxic in state.toxics
    )
