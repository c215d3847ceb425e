"""The cheapest HTTP client that will do, so that a benchmark on one machine measures the server and not its client."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ANSWER_TIMEOUT_S = 60.0
# A server closes a connection that was idle for some seconds (uvicorn: 5), maybe while the next request is on its way.
IDLE_MAX_S = 2.0


class PlainHttp:
    """JSON over kept-alive connections to one address, one connection for every request under way."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

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
        self._close_idle(used_before_s=math.inf)

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer, which must say how long it is."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S), self._connection() as (reader, writer):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            return int(head.split(b" ", 2)[1]), await reader.readexactly(length)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        self._close_idle(used_before_s=time.monotonic() - IDLE_MAX_S)
        if self._idle:
            _, reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            yield reader, writer
        except BaseException:
            writer.close()
            raise
        self._idle.append((time.monotonic(), reader, writer))

    def _close_idle(self, *, used_before_s: float) -> None:
        for used_s, _, writer in self._idle:
            if used_s < used_before_s:
                writer.close()
        self._idle = [each for each in self._idle if each[0] >= used_before_s]
