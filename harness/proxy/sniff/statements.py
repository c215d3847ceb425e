"""Finds the statements in what a Postgres client sends: simple queries, and executions of prepared statements.

Source of the formats: the PostgreSQL documentation, "Frontend/Backend Protocol", version 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
LOOK_BYTES = 1024 * 1024
"""A statement's message is held until it is whole, or so much of it is there."""
MESSAGE_TYPES = b"QPBECDHSXFdcfpR"
STATEMENT_TYPES = b"QPBEC"
LONGEST = 2**30
LEADING_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes to pass on. `statement` is what they make the server execute; `ends` says that they end its message,
    `sync` that they end a series of messages of the extended protocol."""

    data: bytes
    statement: str | None = None
    simple: bool = False
    ends: bool = False
    sync: bool = False


def comparable(statement: str) -> str:
    """Without leading comments, spaces collapsed, case folded."""
    comments = LEADING_COMMENTS.match(statement)
    return " ".join(statement[comments.end() if comments else 0 :].split()).casefold()


class StatementReader:
    """Splits one client's bytes into parts so that each statement begins a part of its own. Loses and adds nothing.

    `at_start` says that the startup message is still to come. Where the bytes make no sense (TLS, a connection that was
    taken over inside a message) everything passes, and the next read is tried again.
    """

    def __init__(self, *, at_start: bool) -> None:
        self._starting = at_start
        self._foreign = False
        self._held = b""
        self._skip = 0
        self._skip_is_statement = False
        self._parsed: dict[bytes, str] = {}
        self._bound: dict[bytes, str] = {}

    def take_held(self) -> bytes:
        """What was held back so far, for when nobody reads on; the reader then starts anew at the next message."""
        held, self._held = self._held, b""
        return held

    def parts(self, data: bytes) -> Iterator[Part]:
        rest, self._held = self._held + data, b""
        while rest:
            part = self._next(rest)
            if part is None:
                self._held = rest
                return
            yield part
            rest = rest[len(part.data) :]

    def _next(self, rest: bytes) -> Part | None:
        """The next part; null where more bytes are needed to tell."""
        if self._foreign:
            return Part(rest)
        if self._skip:
            return self._skipped(rest)
        return self._startup(rest) if self._starting else self._message(rest)

    def _skipped(self, rest: bytes) -> Part:
        data = rest[: self._skip]
        self._skip -= len(data)
        return Part(data, ends=self._skip_is_statement and self._skip == 0)

    def _startup(self, rest: bytes) -> Part | None:
        if len(rest) < 8:
            self._foreign = rest[0] != 0
            return Part(rest) if self._foreign else None
        length, code = int.from_bytes(rest[:4], "big"), int.from_bytes(rest[4:8], "big")
        if length == 8 and code in (SSL_REQUEST, GSS_REQUEST):
            return Part(rest[:8])
        self._starting = False
        self._foreign = code >> 16 != 3 or length > LONGEST
        return Part(rest) if self._foreign else self._take(rest, length)

    def _message(self, rest: bytes) -> Part | None:
        if rest[0] not in MESSAGE_TYPES:
            return Part(rest)
        if len(rest) < 5:
            return None
        length = int.from_bytes(rest[1:5], "big") + 1
        if not 5 <= length <= LONGEST:
            return Part(rest)
        kind = rest[:1]
        if kind == b"S":
            return Part(rest[:length], sync=True) if len(rest) >= length else None
        if kind not in STATEMENT_TYPES:
            return self._take(rest, length)
        needed = min(length, LOOK_BYTES)
        if len(rest) < needed:
            return None
        return self._take(rest, length, self._executed(kind, rest[5:needed]), simple=kind == b"Q")

    def _take(self, rest: bytes, length: int, statement: str | None = None, *, simple: bool = False) -> Part:
        data = rest[:length]
        self._skip = length - len(data)
        self._skip_is_statement = statement is not None
        return Part(data, statement, simple=simple, ends=statement is not None and not self._skip)

    def _executed(self, kind: bytes, body: bytes) -> str | None:
        """The statement that the message makes the server execute; remembers what later messages refer to."""
        first, _, after = body.partition(b"\0")
        if kind == b"Q":
            return _text(first)
        if kind == b"P":
            self._parsed[first] = _text(after.partition(b"\0")[0])
        elif kind == b"B":
            self._bound[first] = self._parsed.get(after.partition(b"\0")[0], "")
        elif kind == b"C":
            (self._parsed if first[:1] == b"S" else self._bound).pop(first[1:], None)
        elif kind == b"E":
            return self._bound.get(first)
        return None


def _text(raw: bytes) -> str:
    """Enough of a statement to compare its beginning."""
    return raw[:4096].decode("utf-8", "replace")
