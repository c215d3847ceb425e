"""The harness's own looks through the fault proxy are told from the target's connections."""

from __future__ import annotations

import asyncio

from harness.live.chaos.look import look
from harness.live.stack import Address, Service
from harness.record.schema import Opened


async def test_a_look_says_by_its_address_that_it_is_one() -> None:
    """Whatever server it reaches sees it come from the harness's own loopback address."""
    peers: list[str] = []

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("peername")
        peers.append(f"{host}:{port}")
        writer.write(b"+PONG\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        assert (await look(Address(host, port), Service.REDIS)).what == "answered"
    row = Opened(at_ns=1, proxy="backend-redis", connection=1, client=peers[0], upstream_port=2)
    assert row.is_a_look
    assert not Opened(at_ns=1, proxy="backend-redis", connection=2, client="127.0.0.1:9", upstream_port=3).is_a_look
