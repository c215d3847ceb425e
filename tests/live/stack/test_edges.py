"""What a run asks of its fault proxy, where the proxy is slow to do it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.live.stack.edges import Edges, EdgeTrouble
from harness.live.stack.model import Address, Edge

SHAPE = {"name": Edge.REDIS, "listen": "127.0.0.1:1", "upstream": "127.0.0.1:2", "enabled": True, "toxics": []}


class Proxy(ThreadingHTTPServer):
    """Says that it is too busy for the first `busy` calls."""

    busy = 0


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        status: int = 200
        body: object = {Edge.REDIS: SHAPE} if self.path == "/proxies" else SHAPE
        if self.server.busy:
            self.server.busy -= 1
            status, body = 503, {"error": "given up"}
        if self.path.endswith("/toxics") and status == 200:
            body = []
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_arguments: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    server = Proxy(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


async def test_a_busy_proxy_is_asked_again(proxy: Proxy) -> None:
    """A 503 says that nothing was begun: the call is repeated until it is done."""
    proxy.busy = 2
    state = await Edges(Address("127.0.0.1", proxy.server_port)).state(Edge.REDIS)
    assert state.enabled
    assert proxy.busy == 0


async def test_so_it_is_for_what_the_client_has_no_verb_for(proxy: Proxy) -> None:
    """Those calls go another way, and are as patient."""
    proxy.busy = 2
    assert await Edges(Address("127.0.0.1", proxy.server_port)).extensions() == frozenset()
    assert proxy.busy == 0


async def test_one_that_stays_busy_is_told(proxy: Proxy) -> None:
    """Not for longer than the deadline, and with what it said."""
    proxy.busy = 1_000_000
    with pytest.raises(EdgeTrouble, match=r"no answer|given up"):
        await Edges(Address("127.0.0.1", proxy.server_port), deadline_s=0.5).state(Edge.REDIS)
