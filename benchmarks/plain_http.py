"""The cheapest HTTP client that will do, so that a benchmark on one machine measures the server and not its client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ANSWER_TIMEOUT_S = 60.0


class PlainHttp:
    """JSON over kept-alive connections to one address, one connection for every request under way."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str) -> tuple[int, bytes]:
        return await self._ask(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    async def post(self, path: str, body: object) -> tuple[int, bytes]:
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        return await self._ask(head.encode() + content)

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer, which must say how long it is."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S), self._connection() as (reader, writer):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            return int(head.split(b" ", 2)[1]), await reader.readexactly(length)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        # The server closes a connection that was idle for too long.
        self._idle = [pair for pair in self._idle if not pair[0].at_eof()]
        pair = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
        try:
            yield pair
        except BaseException:
            pair[1].close()
            raise
        self._idle.append(pair)
