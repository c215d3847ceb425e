"""HTTP/1.1 for the control interface: `httptools` reads it, asyncio carries it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import httptools

BODY_BYTES_MOST = 8 * 1024 * 1024
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


@dataclass(slots=True)
class Request:
    method: str = ""
    path: str = ""
    user_agent: str = ""
    body: bytearray = field(default_factory=bytearray)

    @property
    def parts(self) -> list[str]:
        """The path's parts, decoded; a trailing slash leaves an empty last one."""
        return [unquote(part) for part in self.path.split("/")[1:]]


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[Request], Awaitable[Response]]


async def serve(answer: Answer, host: str, port: int) -> asyncio.Server:
    """Listen; `answer` makes a response of a request and raises nothing. Raises `OSError` where it can't listen."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Exchange(answer), host, port, reuse_address=True)


class _Exchange(asyncio.Protocol):
    """One connection: requests are answered one after the other, pipelined ones too."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._waiting: asyncio.Queue[tuple[Request, bool]] = asyncio.Queue()
        self._too_long = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._task = asyncio.get_running_loop().create_task(self._answer_all())

    def connection_lost(self, error: Exception | None) -> None:
        self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._write(Response(400, f"400 Bad Request: {error}\n".encode(), TEXT), close=True)

    # called by the parser

    def on_message_begin(self) -> None:
        self._request = Request()

    def on_url(self, url: bytes) -> None:
        self._request.path += url.decode("latin-1").partition("?")[0]

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"user-agent":
            self._request.user_agent = value.decode("latin-1")
        elif name.lower() == b"expect":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._request.body += body
        if len(self._request.body) > BODY_BYTES_MOST and not self._too_long:
            self._too_long = True
            self._write(Response(413, b"413 Request Entity Too Large\n", TEXT), close=True)

    def on_message_complete(self) -> None:
        self._request.method = self._parser.get_method().decode()
        self._waiting.put_nowait((self._request, self._parser.should_keep_alive()))

    async def _answer_all(self) -> None:
        while True:
            request, keep = await self._waiting.get()
            self._write(await self._answer(request), close=not keep)

    def _write(self, response: Response, *, close: bool) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(_head(response, close=close) + response.body)
        if close:
            self._transport.close()


def _head(response: Response, *, close: bool) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    if response.body:
        lines.append(f"Content-Type: {response.content_type}")
    if response.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(response.body)}")
    lines += [f"{name}: {value}" for name, value in response.headers]
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
