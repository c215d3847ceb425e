"""Connections are named from their first bytes, however those are cut into pieces."""

from __future__ import annotations

import struct

import pytest

from harness.proxy.sniff.names import NameReader


def startup(**options: str) -> bytes:
    body = b"".join(key.encode() + b"\0" + value.encode() + b"\0" for key, value in options.items()) + b"\0"
    return struct.pack(">II", len(body) + 8, 196608) + body


def command(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)


SSL_REQUEST = struct.pack(">II", 8, 80877103)
CASES = [
    (startup(user="app", database="tenant_1"), ("tenant_1", "app", None)),
    (SSL_REQUEST + startup(user="app", database="d"), ("d", "app", None)),
    (startup(user="alone"), ("alone", "alone", None)),
    (SSL_REQUEST + b"\x16\x03\x01\x00\xf4" + b"x" * 40, (None, None, None)),
    (struct.pack(">IIII", 16, 80877102, 1, 2), (None, None, None)),
    (command("CLIENT", "SETNAME", "worker-1"), (None, None, "worker-1")),
    (command("AUTH", "secret") + command("client", "setname", "w"), (None, None, "w")),
    (command("HELLO", "3", "AUTH", "u", "secret", "SETNAME", "w"), (None, None, "w")),
    (command("PING") * 3, (None, None, None)),
    (b"GET / HTTP/1.1\r\n\r\n", (None, None, None)),
    (b"*1\r\nnonsense", (None, None, None)),
    (b"*x\r\n", (None, None, None)),
]


@pytest.mark.parametrize(("data", "expected"), CASES)
@pytest.mark.parametrize("piece", [1, 3, 4096])
def test_names_are_read(data: bytes, expected: tuple[str | None, ...], piece: int) -> None:
    """Database and user of a Postgres startup message, the name of a Redis client; nothing of anything else."""
    reader = NameReader()
    for start in range(0, len(data), piece):
        if reader.feed(data[start : start + piece]):
            break
    assert (reader.database, reader.user, reader.client_name) == expected


def test_reading_ends() -> None:
    """A Redis client that never tells its name is not listened to for ever."""
    reader = NameReader()
    assert any(reader.feed(command("SET", "k", "v" * 100)) for _ in range(64))
    assert "v" not in repr(reader._buffer)
