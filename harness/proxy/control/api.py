"""The contract's routes: what each path and method asks of the server, and how the answer looks."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from harness.proxy.control import decode
from harness.proxy.control.addresses import resolved_listen
from harness.proxy.control.http import JSON, TEXT, Request, Response
from harness.proxy.control.shapes import Shape, connection_shapes, encoded, proxy_shape, toxic_shape
from harness.proxy.faults import Fault, system
from harness.proxy.plane.reactor import Reactor
from harness.proxy.server import Server
from harness.proxy.toxics import EXTENSIONS

VERSION = "2.12.0"
"""The version of the contract that is spoken; clients compare it."""

REQUEST_ID_HEADER = "X-Toxiproxy-Request-Id"
EXTENSIONS_HEADER = "Fault-Proxy-Extensions"
EXTENSIONS_TOLD = ",".join(["connections", *(kind.type for kind in EXTENSIONS)])
ANSWER_TIMEOUT_S = 0.9
"""Every call is answered within a second; only a machine that starves the data plane makes that answer a 503."""

Handler = Callable[[Request, list[str]], Awaitable[Response]]
T = TypeVar("T")


class Api:
    """Answers requests, each in a bounded time. Whatever touches proxies is one call in the data plane's thread."""

    def __init__(
        self, server: Server, reactor: Reactor, *, compat: bool, metrics: Callable[[], bytes] | None = None
    ) -> None:
        self._server = server
        self._reactor = reactor
        self._compat = compat
        self._metrics = metrics
        self._asked = 0
        self._routes: dict[tuple[str, int], dict[str, Handler]] = {
            ("version", 1): {"GET": self._version},
            ("reset", 1): {"POST": self._reset},
            ("populate", 1): {"POST": self._populate},
            ("proxies", 1): {"GET": self._proxies, "POST": self._create},
            ("proxies", 2): {"GET": self._proxy, "DELETE": self._delete} | _both(self._update),
            ("toxics", 3): {"GET": self._toxics, "POST": self._add_toxic},
            ("toxics", 4): {"GET": self._toxic, "DELETE": self._remove_toxic} | _both(self._update_toxic),
            ("connections", 3): {"GET": self._connections},
        }
        if metrics is not None:
            self._routes["metrics", 1] = dict.fromkeys(("GET", "HEAD", "POST"), self._metrics_page)

    async def answer(self, request: Request) -> Response:
        methods = self._routes.get(_route(request.parts))
        if methods is None:
            return Response(404, b"404 page not found\n", TEXT)
        handler = methods.get(request.method)
        if handler is None:
            return Response(405)
        if request.user_agent.startswith("Mozilla/"):
            return Response(403, b"User agent not allowed\n", TEXT)
        self._asked += 1
        response = await self._handled(handler, request)
        return replace(response, headers=(*response.headers, (REQUEST_ID_HEADER, f"{self._asked:020x}")))

    async def _handled(self, handler: Handler, request: Request) -> Response:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await handler(request, request.parts)
        except TimeoutError:
            return _told(Fault(f"not done within {ANSWER_TIMEOUT_S} s, and given up", 503))
        except Fault as fault:
            return _told(fault)
        except Exception:  # noqa: BLE001 - the caller gets an answer, the log the trace
            traceback.print_exc()
            return _told(system("internal error, see the proxy's output"))

    async def populate(self, raw: bytes) -> tuple[list[Shape], Fault | None]:
        """Also what the configuration file goes through."""
        wishes: list[decode.ProxyWish] = []
        trouble: Fault | None = None
        try:
            for wish in decode.proxy_list(raw):
                wishes.append(await self._resolved(wish))
        except Fault as fault:  # those before it are still to be created
            trouble = fault
        shapes, fault_of_one = await self._ask(lambda: self._populated(wishes))
        return shapes, fault_of_one or trouble

    def _populated(self, wishes: list[decode.ProxyWish]) -> tuple[list[Shape], Fault | None]:
        proxies, fault = self._server.populate(wishes)
        return [proxy_shape(proxy) for proxy in proxies], fault

    async def _version(self, request: Request, parts: list[str]) -> Response:
        told = json.dumps({"version": VERSION}).encode() + b"\n"
        return Response(200, told, f"{JSON};charset=utf-8", ((EXTENSIONS_HEADER, EXTENSIONS_TOLD),))

    async def _reset(self, request: Request, parts: list[str]) -> Response:
        await self._ask(self._server.reset)
        return Response(204)

    async def _populate(self, request: Request, parts: list[str]) -> Response:
        shapes, fault = await self.populate(bytes(request.body))
        proxies = shapes if shapes or not self._compat else None
        if fault is None:
            return Response(201, encoded({"proxies": proxies}))
        return Response(fault.status, encoded({"error": fault.message, "status": fault.status, "proxies": proxies}))

    async def _proxies(self, request: Request, parts: list[str]) -> Response:
        proxies = self._server.proxies
        return _json(await self._ask(lambda: {name: proxy_shape(proxies[name]) for name in sorted(proxies)}))

    async def _create(self, request: Request, parts: list[str]) -> Response:
        wish = await self._resolved(decode.new_proxy(bytes(request.body)))
        return _json(await self._ask(lambda: proxy_shape(self._server.create(wish))), 201)

    async def _proxy(self, request: Request, parts: list[str]) -> Response:
        return _json(await self._ask(lambda: proxy_shape(self._server.proxy(parts[1]))))

    async def _update(self, request: Request, parts: list[str]) -> Response:
        await self._ask(lambda: self._server.proxy(parts[1]))
        wish = decode.proxy_wish(decode.body(bytes(request.body)))
        if wish.listen is not None:
            wish = await self._resolved(wish)
        return _json(await self._ask(lambda: proxy_shape(self._server.update(parts[1], wish))))

    async def _delete(self, request: Request, parts: list[str]) -> Response:
        await self._ask(lambda: self._server.delete(parts[1]))
        return Response(204)

    async def _toxics(self, request: Request, parts: list[str]) -> Response:
        return _json(
            await self._ask(lambda: [toxic_shape(toxic) for toxic in self._server.proxy(parts[1]).all_toxics()])
        )

    async def _add_toxic(self, request: Request, parts: list[str]) -> Response:
        await self._ask(lambda: self._server.proxy(parts[1]))
        wish = decode.new_toxic(bytes(request.body), compat=self._compat)
        return _json(await self._ask(lambda: toxic_shape(self._server.add_toxic(parts[1], wish))))

    async def _toxic(self, request: Request, parts: list[str]) -> Response:
        return _json(await self._ask(lambda: toxic_shape(self._server.proxy(parts[1]).toxic(parts[3]))))

    async def _update_toxic(self, request: Request, parts: list[str]) -> Response:
        raw = bytes(request.body)
        return _json(await self._ask(lambda: toxic_shape(self._server.update_toxic(parts[1], parts[3], raw))))

    async def _remove_toxic(self, request: Request, parts: list[str]) -> Response:
        await self._ask(lambda: self._server.proxy(parts[1]).remove_toxic(parts[3]))
        return Response(204)

    async def _connections(self, request: Request, parts: list[str]) -> Response:
        return _json(await self._ask(lambda: connection_shapes(self._server.connections(parts[1]))))

    async def _metrics_page(self, request: Request, parts: list[str]) -> Response:
        assert self._metrics is not None
        return Response(200, await self._ask(self._metrics), "text/plain; version=0.0.4; charset=utf-8")

    async def _resolved(self, wish: decode.ProxyWish) -> decode.ProxyWish:
        return replace(wish, place=await resolved_listen(wish.listen or "", compat=self._compat))

    async def _ask(self, call: Callable[[], T]) -> T:
        """Run `call` between two rounds of the data plane's loop, but not after its caller was told that it was not."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            if answer.cancelled():
                return
            try:
                result = call()
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                loop.call_soon_threadsafe(_settle, answer.set_exception, answer, error)
            else:
                loop.call_soon_threadsafe(_settle, answer.set_result, answer, result)

        self._reactor.post(run)
        return await answer


def _settle(settle: Callable[..., None], answer: asyncio.Future[T], outcome: object) -> None:
    """Whoever asked may have gone."""
    if not answer.done():
        settle(outcome)


def _route(parts: list[str]) -> tuple[str, int]:
    """What a path is about, and its depth; names in it may be anything but empty."""
    if len(parts) == 1 or not all(parts):
        return (parts[0], 1) if len(parts) == 1 else ("", 0)
    if parts[0] != "proxies":
        return "", 0
    return ("proxies" if len(parts) == 2 else parts[2], len(parts))


def _both(handler: Handler) -> dict[str, Handler]:
    """POST and PATCH mean the same."""
    return {"POST": handler, "PATCH": handler}


def _json(shape: Shape | list[Shape], status: int = 200) -> Response:
    return Response(status, encoded(shape))


def _told(fault: Fault) -> Response:
    return Response(fault.status, encoded({"error": fault.message, "status": fault.status}) + b"\n", TEXT)
