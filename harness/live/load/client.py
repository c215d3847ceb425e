"""A small HTTP/1.1 client for load, over gevent sockets.

Existing clients hide what an honest outcome rests on. This one tells whether any byte of the request may have left and
whether any byte of an answer came; it never sends anything twice; connect, send, first byte and the whole exchange
have deadlines; bodies are bounded. Redirects are answers.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterable, Mapping

from harness.clock import NS_PER_S
from harness.live.load.answer import Answer, Parsing
from harness.live.load.connection import Broken, Connection, Deadlines, connected

__all__ = ["Answer", "Deadlines", "HttpClient"]

# Servers close what was idle for too long (uvicorn and Node after 5 s, most later). One that does so just as a request
# leaves makes that request unknown, so a connection is given up earlier: a margin before what its server has promised,
# or at this age where it has promised nothing.
IDLE_S_MAX = 4.0
IDLE_MARGIN_S = 1.0
_EXPIRED = re.compile(r"max-age\s*=\s*(0|-\d+)\s*(;|$)", re.IGNORECASE)
_TIMEOUT = re.compile(rb"timeout\s*=\s*(\d+)", re.IGNORECASE)


class HttpClient:
    """One keep-alive connection. Not to be shared by greenlets; cookies belong to the caller's tenant."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        now_ns: Callable[[], int],
        deadlines: Deadlines,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address = (host, port)
        self._host_line = f"Host: {host}:{port}\r\n"
        self._now_ns = now_ns
        self._deadlines = deadlines
        self._tls = tls
        self._connection: Connection | None = None
        self._reusable_until_ns = 0
        self._parsing = Parsing(now_ns)
        self._send_ns = round(deadlines.send_s * NS_PER_S)
        self._first_byte_ns = round(deadlines.first_byte_s * NS_PER_S)
        self._whole_ns = round(deadlines.whole_s * NS_PER_S)

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send once and read the answer. Never raises for what the network or the server does."""
        head = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        return self.exchange(method, path, head, body, {})

    def exchange(self, method: str, path: str, head: str, body: bytes | None, cookies: dict[str, str]) -> Answer:
        """`request` with header lines as they go out; `cookies` are sent, and keep what the answer sets."""
        answer = Answer()
        ends_ns = self._now_ns() + self._whole_ns
        try:
            connection = self._connected(answer)
            try:
                connection.send(self._message(method, path, head, body, cookies), self._until(self._send_ns, ends_ns))
            finally:
                answer.sent = connection.sent
            self._receive(connection, answer, ends_ns, without_body=method == "HEAD")
        except Broken as broken:
            answer.error = str(broken)
            self.close()
            return answer
        if self._parsing.keep_alive:
            self._reusable_until_ns = self._now_ns() + reusable_ns(answer.raw_headers)
        else:
            self.close()
        keep_cookies(cookies, answer.raw_headers)
        return answer

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, answer: Answer) -> Connection:
        """The old connection where it can be used again, else a new one: nothing was sent yet, so that is no retry."""
        if (reusable := self._reusable()) is not None:
            answer.reused = True
            return reusable
        self.close()
        self._connection = connected(self._address, self._deadlines, self._tls, self._now_ns)
        self._parsing = Parsing(self._now_ns)
        return self._connection

    def _reusable(self) -> Connection | None:
        """The connection, unless the server has ended it or may be about to. The look at the socket comes last."""
        if self._connection is None or self._now_ns() >= self._reusable_until_ns or self._connection.is_readable():
            return None
        return self._connection

    def _message(self, method: str, path: str, head: str, body: bytes | None, cookies: dict[str, str]) -> bytes:
        lines = f"{method} {path} HTTP/1.1\r\n{self._host_line}{head}"
        if cookies:
            lines += "Cookie: " + "; ".join([f"{name}={value}" for name, value in cookies.items()]) + "\r\n"
        if body is not None:
            lines += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            return lines.encode("latin-1", "replace") + body
        if method in ("POST", "PUT", "PATCH"):
            lines += "Content-Length: 0\r\n"
        return (lines + "\r\n").encode("latin-1", "replace")

    def _receive(self, connection: Connection, answer: Answer, ends_ns: int, *, without_body: bool) -> None:
        parsing = self._parsing
        parsing.begin(answer, without_body=without_body)
        chunk = connection.receive(self._until(self._first_byte_ns, ends_ns), "first_byte_timeout")
        while True:
            if not chunk:
                parsing.ended()
                return
            parsing.feed(chunk)
            if parsing.complete:
                return
            chunk = connection.receive(ends_ns, "timeout_whole")

    def _until(self, length_ns: int, ends_ns: int) -> int:
        return min(self._now_ns() + length_ns, ends_ns)


def reusable_ns(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """For how long after an answer its connection is used again, by its `Keep-Alive: timeout=SECONDS` if it has one.

    https://www.rfc-editor.org/rfc/rfc2068#section-19.7.1.1
    """
    for key, value in headers:
        if len(key) == 10 and key.lower() == b"keep-alive" and (promised := _TIMEOUT.search(value)):
            return round((int(promised[1]) - IDLE_MARGIN_S) * NS_PER_S)
    return round(IDLE_S_MAX * NS_PER_S)


def keep_cookies(jar: dict[str, str], headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Take over what an answer sets; a cookie that has run out is dropped. Scope is not kept: a jar is of one host."""
    for key, value in headers:
        if len(key) != 10 or key.lower() != b"set-cookie":
            continue
        pair, _, attributes = value.decode("latin-1").partition(";")
        name, equals, content = (part.strip() for part in pair.partition("="))
        if not name or not equals:
            continue
        if _EXPIRED.search(attributes):
            jar.pop(name, None)
        else:
            jar[name] = content
