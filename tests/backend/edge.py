"""A wire between the backend and a server that tests can cut, freeze and count on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.backend.services import free_port


class Edge:
    """Relays `port` to `upstream_port`.

    `refuse`: accept and close at once. `frozen`: while not set, bytes flow; set, they wait. `opened_at_s` has one entry
    for every connection that was accepted.
    """

    def __init__(self, upstream_port: int) -> None:
        self.port = free_port()
        self.upstream_port = upstream_port
        self.refuse = False
        self.opened_at_s: list[float] = []
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._relays: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @classmethod
    @asynccontextmanager
    async def to(cls, upstream_port: int) -> AsyncIterator[Edge]:
        edge = cls(upstream_port)
        edge._server = await asyncio.start_server(edge._accepted, "127.0.0.1", edge.port)
        try:
            yield edge
        finally:
            edge._server.close()
            edge.cut()
            for relay in edge._relays:
                relay.cancel()

    def freeze(self) -> None:
        """A blackhole: connections stay, are even accepted, and nothing gets through."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """End every connection that is open now."""
        for writer in list(self._writers):
            writer.close()
        self._writers.clear()

    @property
    def open_now(self) -> int:
        return len(self._writers) // 2

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened_at_s.append(time.monotonic())
        if self.refuse:
            writer.close()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, up_writer}
        for source, sink in ((reader, up_writer), (up_reader, writer)):
            relay = asyncio.create_task(self._relay(source, sink))
            self._relays.add(relay)
            relay.add_done_callback(self._relays.discard)

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            return
        finally:
            await self._flows.wait()
            sink.close()
            self._writers.discard(sink)
