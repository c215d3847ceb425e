"""Statements are found in what a Postgres client sends, and nothing of it is lost or added."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.proxy.sniff.statements import StatementReader, comparable


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


def query(text: str) -> bytes:
    return message(b"Q", text.encode() + b"\0")


def parse(text: str, name: str = "") -> bytes:
    return message(b"P", name.encode() + b"\0" + text.encode() + b"\0\0\0")


def bind(portal: str = "", name: str = "") -> bytes:
    return message(b"B", portal.encode() + b"\0" + name.encode() + b"\0" + b"\0" * 6)


def execute(portal: str = "") -> bytes:
    return message(b"E", portal.encode() + b"\0\0\0\0\0")


SYNC = message(b"S", b"")
BODY = struct.pack(">I", 196608) + b"user\0app\0\0"
STARTUP = struct.pack(">I", len(BODY) + 4) + BODY
CLOSE = message(b"C", b"Sa\0")


def read(data: bytes, piece: int, *, at_start: bool = False) -> tuple[bytes, list[str]]:
    """What passes, and the statements found, when `data` comes in pieces."""
    reader = StatementReader(at_start=at_start)
    parts = [part for at in range(0, len(data), piece) for part in reader.parts(data[at : at + piece])]
    passed = b"".join(part.data for part in parts) + reader.take_held()
    return passed, [part.statement for part in parts if part.statement is not None]


@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (query("SELECT 1") + query("COMMIT"), ["SELECT 1", "COMMIT"]),
        (parse("SELECT $1") + bind() + execute() + SYNC, ["SELECT $1"]),
        (parse("A", "a") + parse("B", "b") + bind("", "a") + execute() + bind("x", "b") + execute("x"), ["A", "B"]),
        (parse("A", "a") + SYNC + (bind("", "a") + execute() + SYNC) * 2, ["A", "A"]),
        (parse("A", "a") + CLOSE + bind("", "a") + execute(), [""]),
        (execute(), []),
        (message(b"p", b"password\0") + query("X"), ["X"]),
    ],
)
def test_statements_are_found(data: bytes, expected: list[str], piece: int) -> None:
    """Simple queries, and each execution of a prepared one."""
    assert read(data, piece) == (data, expected)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_the_startup_is_no_statement(piece: int) -> None:
    """A connection read from its start has untyped messages first."""
    data = struct.pack(">II", 8, 80877103) + STARTUP + query("X")
    assert read(data, piece, at_start=True) == (data, ["X"])


def test_a_connection_taken_over_inside_a_message_finds_its_way() -> None:
    """What makes no sense passes; the next read that does is understood."""
    reader = StatementReader(at_start=False)
    assert [part.data for part in reader.parts(b"\x01\x02rest of a row")] == [b"\x01\x02rest of a row"]
    assert [part.statement for part in reader.parts(query("X"))] == ["X"]


def test_tls_passes() -> None:
    """What is encrypted can't be read, and is left alone."""
    data = struct.pack(">II", 8, 80877103) + b"\x16\x03\x01" + b"Q\0\0\0\x08abc\0" * 4
    assert read(data, 5, at_start=True) == (data, [])


@pytest.mark.parametrize(
    "statement",
    ["create  database x", "CREATE\n\tDATABASE x", "/* tag */ Create Database x", "-- why\n  CREATE DATABASE x"],
)
def test_statements_compare_by_their_words(statement: str) -> None:
    """Case, spaces and leading comments don't matter."""
    assert comparable(statement).startswith(comparable("CREATE DATABASE"))


MESSAGES = st.lists(
    st.one_of(
        st.builds(query, st.text(max_size=30)),
        st.builds(parse, st.text(max_size=10)),
        st.builds(lambda body: message(b"d", body), st.binary(max_size=50)),
        st.just(bind() + execute() + SYNC),
        st.binary(max_size=20),
    )
)


@given(messages=MESSAGES, piece=st.integers(1, 64), at_start=st.booleans())
def test_every_byte_passes_in_order(messages: list[bytes], piece: int, at_start: bool) -> None:
    """Whatever comes, sense or not, goes out as it came."""
    data = b"".join(messages)
    assert read(data, piece, at_start=at_start)[0] == data
