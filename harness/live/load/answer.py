"""One answer as it comes in, parsed by `httptools` (llhttp). Contract: RFC 9112 (messages), RFC 9110 (status codes)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httptools

from harness.live.load.connection import Broken

ANSWER_BYTES_MAX = 4 * 1024 * 1024
HEADER_BYTES_MAX = 64 * 1024
# Chunk sizes, extensions and trailers are no body; more of them than this is no answer but an attempt to exhaust us.
OVERHEAD_BYTES_MAX = 4 * ANSWER_BYTES_MAX


class Answer:
    """What became of one request. `error` is empty for a whole answer, else a class such as `connect_refused`.

    `sent`: any byte of the request may have left. `first_byte_ns`: when the first byte of an answer came, or null.
    """

    __slots__ = ("body", "bytes_received", "error", "first_byte_ns", "raw_headers", "reused", "sent", "status")

    def __init__(self) -> None:
        self.status: int | None = None
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.error = ""
        self.sent = False
        self.reused = False
        self.first_byte_ns: int | None = None
        self.bytes_received = 0

    @property
    def headers(self) -> dict[str, str]:
        """By name in lower case; of a header that comes twice, the last."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw_headers}

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError`."""
        return json.loads(self.body)


class Parsing:
    """Parses the answers of one connection, one after the other; the `on_` callbacks are `httptools`'s."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.complete = True
        self.keep_alive = False
        self._now_ns = now_ns
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)

    def begin(self, answer: Answer, *, without_body: bool) -> None:
        """The next answer goes into `answer`; one to HEAD has no body, whatever its headers say."""
        self._answer = answer
        self.complete = False
        self.keep_alive = False
        self._surplus = False
        self._without_body = without_body
        self._headers_done = False
        self._chunks: list[bytes] = []
        self._body_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Take bytes from the wire. Raises `Broken` for garbage and for bodies and headers beyond the bounds."""
        answer = self._answer
        if answer.first_byte_ns is None:
            answer.first_byte_ns = self._now_ns()
        answer.bytes_received += len(chunk)
        had_headers = self._headers_done
        try:
            self._parser.feed_data(chunk)
        except httptools.HttpParserUpgrade:
            raise Broken("unexpected_upgrade") from None
        except httptools.HttpParserCallbackError as error:
            raise (error.__context__ if isinstance(error.__context__, Broken) else error) from None
        except httptools.HttpParserError as error:
            if not self.complete:
                raise Broken(f"garbage: {type(error).__name__}") from None
            self._surplus = True
        if not had_headers and answer.bytes_received > HEADER_BYTES_MAX and self._are_headers_too_large():
            raise Broken("headers_too_large")
        if self.complete:
            self.keep_alive = self.keep_alive and not self._surplus
        elif answer.bytes_received - self._body_bytes > OVERHEAD_BYTES_MAX:
            raise Broken("body_too_large")

    def _are_headers_too_large(self) -> bool:
        """Still none complete after so many bytes, or complete and too many."""
        size = sum(len(name) + len(value) for name, value in self._answer.raw_headers)
        return not self._headers_done or size > HEADER_BYTES_MAX

    def ended(self) -> None:
        """The server closed. That ends a body without a length; anything else is a cut. Raises `Broken`."""
        if self.complete:
            return
        headers = self._answer.headers
        if self._headers_done and "content-length" not in headers and "transfer-encoding" not in headers:
            self._finish()
            self.keep_alive = False
            return
        raise Broken("closed_before_answer" if self._answer.first_byte_ns is None else "closed_in_answer")

    def on_message_begin(self) -> None:
        # What comes after a whole answer was never asked for: this connection can't be trusted any more.
        if self.complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete:
            self._answer.raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._answer.raw_headers.clear()
            return
        self._headers_done = True
        self._answer.status = status
        if self._without_body:
            self._finish()
            self.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if self.complete:
            return
        self._body_bytes += len(body)
        if self._body_bytes > ANSWER_BYTES_MAX:
            raise Broken("body_too_large")
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._headers_done and not self.complete:
            self._finish()

    def _finish(self) -> None:
        self.complete = True
        self.keep_alive = self._parser.should_keep_alive()
        chunks = self._chunks
        self._answer.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
