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

_EXPIRED = re.compile(r"max-age\s*=\s*(0|-\d+)\s*(;|$)", re.IGNORECASE)


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
        if not self._parsing.keep_alive:
            self.close()
        keep_cookies(cookies, answer.raw_headers)
        return answer

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, answer: Answer) -> Connection:
        """Reuse the connection unless the server has ended it meanwhile: nothing was sent yet, so that is no retry."""
        if self._connection is not None and not self._connection.is_readable():
            answer.reused = True
            return self._connection
        self.close()
        self._connection = connected(self._address, self._deadlines, self._tls, self._now_ns)
        self._parsing = Parsing(self._now_ns)
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
