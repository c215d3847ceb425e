"""A small HTTP/1.1 client for load, over gevent sockets with `httptools` (llhttp) parsing.

Existing clients hide what an honest outcome rests on. This one tells whether any byte of the request may have left and
whether any byte of an answer came; it never sends anything twice; connect, send, first byte and the whole exchange
have deadlines; bodies are bounded. Contract: RFC 9112 (messages), RFC 9110 (1xx, 204, 304). Redirects are answers.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httptools
from gevent import Timeout, socket

ANSWER_BYTES_MAX = 4 * 1024 * 1024
HEADER_BYTES_MAX = 64 * 1024
RECEIVE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds. `whole_s` bounds the exchange from the connect to the last byte."""

    connect_s: float = 5.0
    send_s: float = 10.0
    first_byte_s: float = 30.0
    whole_s: float = 30.0


@dataclass(slots=True)
class Answer:
    """What became of one request. `error` is empty for a whole answer, else a class such as `connect_refused`.

    `sent`: any byte of the request may have left. `first_byte_ns`: when the first byte of an answer came, or null.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""
    sent: bool = False
    reused: bool = False
    first_byte_ns: int | None = None
    bytes_received: int = 0

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError`."""
        return json.loads(self.body)


class Broken(Exception):
    """The exchange ended without a whole answer; the text is the error class."""


class HttpClient:
    """One keep-alive connection of one tenant, with its cookies. Not to be shared by greenlets."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        now_ns: Callable[[], int],
        deadlines: Deadlines = Deadlines(),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address = (host, port)
        self._authority = f"{host}:{port}"
        self._now_ns = now_ns
        self._deadlines = deadlines
        self._tls = tls
        self._socket: socket.socket | None = None

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send once and read the answer. Never raises for what the network or the server does."""
        head = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        return self.exchange(method, path, head, body, {})

    def exchange(self, method: str, path: str, head: str, body: bytes | None, cookies: dict[str, str]) -> Answer:
        """`request` with header lines as they go out; `cookies` are sent, and keep what the answer sets."""
        answer = Answer()
        exchange = Exchange(method, answer, self._now_ns)
        try:
            with Timeout(self._deadlines.whole_s, Broken("timeout_whole")):
                self._connect(answer)
                self._send(self._message(method, path, head, body, cookies), answer)
                self._receive(exchange)
        except Broken as broken:
            answer.error = str(broken)
        if answer.error or not exchange.keep_alive:
            self.close()
        if exchange.cookies:
            keep_cookies(cookies, exchange.cookies)
        return answer

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self, answer: Answer) -> None:
        """Reuse the connection unless the server has ended it meanwhile: nothing was sent yet, so that is no retry."""
        if self._socket is not None and not _readable(self._socket):
            answer.reused = True
            return
        self.close()
        try:
            self._socket = socket.create_connection(self._address, timeout=self._deadlines.connect_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                self._socket = self._tls.wrap_socket(self._socket, server_hostname=self._address[0])
        except TimeoutError:
            raise Broken("connect_timeout") from None
        except ConnectionRefusedError:
            raise Broken("connect_refused") from None
        except ssl.SSLError as error:
            raise Broken(f"tls: {error.reason}") from None
        except OSError as error:
            raise Broken(f"connect: {error.strerror or error}") from None

    def _message(self, method: str, path: str, head: str, body: bytes | None, cookies: dict[str, str]) -> bytes:
        lines = f"{method} {path} HTTP/1.1\r\nHost: {self._authority}\r\n{head}"
        if cookies:
            lines += "Cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items()) + "\r\n"
        if body is not None:
            lines += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        elif method in ("POST", "PUT", "PATCH"):
            lines += "Content-Length: 0\r\n"
        return (lines + "\r\n").encode("latin-1", "replace") + (body or b"")

    def _send(self, message: bytes, answer: Answer) -> None:
        assert self._socket is not None
        self._socket.settimeout(self._deadlines.send_s)
        # From here on bytes may be on their way, whatever happens next.
        answer.sent = True
        try:
            self._socket.sendall(message)
        except TimeoutError:
            raise Broken("send_timeout") from None
        except OSError as error:
            # The server may have answered early and closed (a 413, say): its answer still counts if it can be read.
            if not _readable(self._socket):
                raise Broken(f"send: {error.strerror or error}") from None

    def _receive(self, exchange: Exchange) -> None:
        assert self._socket is not None
        self._socket.settimeout(self._deadlines.first_byte_s)
        while not exchange.complete:
            try:
                chunk = self._socket.recv(RECEIVE_BYTES)
            except TimeoutError:
                first = exchange.answer.first_byte_ns is None
                raise Broken("first_byte_timeout" if first else "timeout_whole") from None
            except OSError as error:
                raise Broken(f"receive: {error.strerror or error}") from None
            if not chunk:
                exchange.ended()
                return
            exchange.feed(chunk)


def keep_cookies(jar: dict[str, str], set_cookies: list[str]) -> None:
    """Take over what an answer sets; a cookie that has run out is dropped. Scope is not kept: a jar is of one host."""
    for text in set_cookies:
        pair, _, attributes = text.partition(";")
        name, _, value = pair.partition("=")
        if not name.strip():
            continue
        if re.search(r"max-age\s*=\s*(0|-\d+)\s*(;|$)", attributes, re.IGNORECASE):
            jar.pop(name.strip(), None)
        else:
            jar[name.strip()] = value.strip()


class Exchange:
    """Parses one answer; the callbacks are `httptools`'s."""

    def __init__(self, method: str, answer: Answer, now_ns: Callable[[], int]) -> None:
        self.answer = answer
        self.complete = False
        self.keep_alive = False
        self.cookies: list[str] = []
        self._no_body = method == "HEAD"
        self._now_ns = now_ns
        self._header_bytes = 0
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._headers_done = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, chunk: bytes) -> None:
        """Take bytes from the wire. Raises `Broken` for garbage and for bodies and headers beyond the bounds."""
        if self.answer.first_byte_ns is None:
            self.answer.first_byte_ns = self._now_ns()
        self.answer.bytes_received += len(chunk)
        if not self._headers_done:
            self._header_bytes += len(chunk)
        try:
            self._parser.feed_data(chunk)
        except httptools.HttpParserUpgrade:
            raise Broken("unexpected_upgrade") from None
        except httptools.HttpParserCallbackError as error:
            raise (error.__context__ if isinstance(error.__context__, Broken) else Broken("callback")) from None
        except httptools.HttpParserError as error:
            if not self.complete:
                raise Broken(f"garbage: {type(error).__name__}") from None
        if not self._headers_done and self._header_bytes > HEADER_BYTES_MAX:
            raise Broken("headers_too_large")

    def ended(self) -> None:
        """The server closed. That ends a body without a length; anything else is a cut."""
        if self.complete:
            return
        bounded = "content-length" in self.answer.headers or "transfer-encoding" in self.answer.headers
        if self._headers_done and self.answer.status is not None and not bounded:
            self._finish()
            self.keep_alive = False
            return
        raise Broken("closed_before_answer" if self.answer.first_byte_ns is None else "closed_in_answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key == "set-cookie":
            self.cookies.append(text)
        self.answer.headers[key] = text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self.answer.headers.clear()
            return
        self._headers_done = True
        self.answer.status = status
        if self._no_body:
            self._finish()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > ANSWER_BYTES_MAX:
            raise Broken("body_too_large")
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._headers_done:
            self._finish()

    def _finish(self) -> None:
        self.complete = True
        self.keep_alive = self._parser.should_keep_alive() and not self._no_body
        self.answer.body = b"".join(self._chunks)


def _readable(connection: socket.socket) -> bool:
    """Whether a read would return at once, be it bytes, the end or an error; nothing is taken out."""
    try:
        connection._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
