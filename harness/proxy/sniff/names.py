"""Names a connection from its first bytes: a Postgres client's database and user, a Redis client's name.

Only these names are kept. Reading ends as soon as they are known, or can't be.
"""

from __future__ import annotations

from harness.proxy.sniff.statements import CANCEL_REQUEST, GSS_REQUEST, SSL_REQUEST

LOOK_BYTES = 4096


class NameReader:
    """Fed with what the client sends, until `feed` says that it is done."""

    __slots__ = ("_buffer", "_left_bytes", "client_name", "database", "user")

    def __init__(self) -> None:
        self._buffer = b""
        self._left_bytes = LOOK_BYTES
        self.database: str | None = None
        self.user: str | None = None
        self.client_name: str | None = None

    def feed(self, data: bytes) -> bool:
        """Whether nothing more is to be learned."""
        self._buffer += data[: self._left_bytes]
        self._left_bytes = max(0, self._left_bytes - len(data))
        done = self._redis() if self._buffer[:1] == b"*" else self._postgres()
        if done or not self._left_bytes:
            self._buffer = b""
            return True
        return False

    def _postgres(self) -> bool:
        while len(self._buffer) >= 8:
            length, code = int.from_bytes(self._buffer[:4], "big"), int.from_bytes(self._buffer[4:8], "big")
            if length == 8 and code in (SSL_REQUEST, GSS_REQUEST):
                self._buffer = self._buffer[8:]
                continue
            if code >> 16 != 3 or code == CANCEL_REQUEST:
                return True
            return len(self._buffer) >= length and self._startup(self._buffer[8:length])
        return bool(self._buffer) and self._buffer[0] != 0

    def _startup(self, body: bytes) -> bool:
        words = [word.decode("utf-8", "replace") for word in body.split(b"\0")]
        options = dict(zip(words[::2], words[1::2], strict=False))
        self.user = options.get("user")
        self.database = options.get("database", self.user)
        return True

    def _redis(self) -> bool:
        """Whole commands at the buffer's head are read and dropped; the name comes among a client's first ones."""
        while (command := _command(self._buffer)) is not None:
            words, self._buffer = command
            upper = [word.upper() for word in words]
            if upper[:2] == [b"CLIENT", b"SETNAME"] and len(words) == 3:
                self.client_name = words[2].decode("utf-8", "replace")
            elif upper[:1] == [b"HELLO"] and b"SETNAME" in upper[:-1]:
                self.client_name = words[upper.index(b"SETNAME") + 1].decode("utf-8", "replace")
            if self.client_name is not None or not words:
                return True
        return False


def _command(buffer: bytes) -> tuple[list[bytes], bytes] | None:
    """The first command and what follows it; no words where it is no command, null where it is not whole yet."""
    count, rest = _number(buffer, b"*")
    words: list[bytes] = []
    for _ in range(count):
        if rest is None:
            return None
        size, rest = _number(rest, b"$")
        if size < 0:
            return [], b""
        if rest is None or len(rest) < size + 2:
            return None
        words.append(rest[:size])
        rest = rest[size + 2 :]
    return (words, rest or b"") if rest is not None or count < 0 else None


def _number(buffer: bytes, mark: bytes) -> tuple[int, bytes | None]:
    """The number of a line such as `*3`, and what follows the line; null where the line is not whole, -1 if none."""
    line, end, rest = buffer.partition(b"\r\n")
    if not end:
        return 0, None
    if line[:1] != mark or not line[1:].isdigit():
        return -1, None
    return int(line[1:]), rest
