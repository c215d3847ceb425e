"""Control's own deadline: a data plane that does not answer must not make control wait with it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import cast

import pytest

from harness.clock import wait_until
from harness.proxy.control.api import Api
from harness.proxy.control.http import Request
from harness.proxy.ledger import Ledger
from harness.proxy.plane.connection import Settings
from harness.proxy.plane.reactor import Reactor
from harness.proxy.proxy import Plane
from harness.proxy.server import Server

PROXY = json.dumps({"name": "p", "upstream": "127.0.0.1:9", "listen": "127.0.0.1:0"}).encode()
SILENT_PROXY = json.dumps({"name": "p", "upstream": "127.0.0.1:9", "enabled": False}).encode()
CALLS = [
    ("GET", "/proxies", b""),
    ("POST", "/proxies", PROXY),
    ("POST", "/populate", b"[" + PROXY + b"]"),
    ("POST", "/proxies/p", b'{"enabled": false}'),
    ("DELETE", "/proxies/p", b""),
    ("POST", "/proxies/p/toxics", b'{"type": "latency"}'),
    ("DELETE", "/proxies/p/toxics/latency_downstream", b""),
    ("GET", "/proxies/p/connections", b""),
    ("POST", "/reset", b""),
]


class Starved:
    """A data plane that gets no time: what is posted to it waits."""

    now_ns = 0

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def post(self, call: Callable[[], None]) -> None:
        self.waiting.append(call)


def starved_api() -> tuple[Api, Starved, Server]:
    reactor = Starved()
    as_reactor = cast(Reactor, reactor)
    server = Server(Plane(as_reactor, None, Ledger(None, 0), Settings(seed=1)), 0)
    return Api(server, as_reactor, compat=False), reactor, server


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=[f"{method} {path}" for method, path, _ in CALLS])
async def test_a_starved_data_plane_is_told_within_a_second(method: str, path: str, body: bytes) -> None:
    """Every call about proxies is answered 503 in time, and its callers know it from a refusal."""
    api, _, _ = starved_api()
    start = time.monotonic()
    response = await api.answer(Request(method=method, path=path, body=bytearray(body)))
    assert response.status == 503
    assert json.loads(response.body)["status"] == 503
    assert time.monotonic() - start < 1.0


async def test_what_was_told_as_given_up_is_not_done_later() -> None:
    """A caller that got a 503 may ask again, or give up: the old call changes nothing when its time comes."""
    api, reactor, server = starved_api()
    response = await api.answer(Request(method="POST", path="/proxies", body=bytearray(SILENT_PROXY)))
    assert (response.status, len(reactor.waiting)) == (503, 1)
    reactor.waiting.pop()()
    assert server.proxies == {}


async def test_what_is_done_in_time_is_told() -> None:
    """The same call on a data plane that runs it: there is the proxy, and the answer says so."""
    api, reactor, server = starved_api()
    asked = asyncio.create_task(api.answer(Request(method="POST", path="/proxies", body=bytearray(SILENT_PROXY))))
    await wait_until(lambda: bool(reactor.waiting), what="the call", timeout_s=0.5)
    reactor.waiting.pop()()
    assert (await asked).status == 201
    assert list(server.proxies) == ["p"]
