"""The wire ledger out of the real Toxiproxy's log: what it says, and nothing that it does not say."""

import json
from itertools import count

from harness.live.stack.toxiproxy_log import WireLog
from harness.record.schema import Closed, Opened, WireEnd

# Lines as version 2.12.0 writes them, but for what nobody reads.
ACCEPTED = {"name": "backend-redis", "client": "172.18.0.5:39842", "message": "Accepted client"}
UP = {"name": "backend-redis", "direction": "upstream", "message": "Setup connection"}
DOWN = {"name": "backend-redis", "direction": "downstream", "message": "Setup connection"}
REFUSED = {
    "name": "backend-redis",
    "client": "172.18.0.5:39842",
    "error": "dial tcp: no such host",
    "message": "Unable to open connection to upstream",
}
REMOVED = {
    "name": "backend-redis",
    "proxy": "backend-redis",
    "link": "172.18.0.5:39842upstream",
    "message": "Remove link 172.18.0.5:39842upstream from ToxicCollection",
}


def lines(*said: dict[str, str]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in said)


def heard(*parts: bytes, ended: bool = False) -> list[Opened | Closed | WireEnd]:
    rows: list[Opened | Closed | WireEnd] = []
    ticks = count(1)
    wire = WireLog(lambda: next(ticks), rows.append)
    for part in parts:
        wire.feed(part)
    if ended:
        wire.ended()
    return rows


def test_a_connection_is_opened_and_closed_once() -> None:
    """Two directions, one connection, timed when it was accepted; what isn't told is null."""
    both = REMOVED | {"link": "172.18.0.5:39842downstream"}
    opened, closed = heard(lines(ACCEPTED, UP, DOWN, REMOVED, both))
    assert isinstance(opened, Opened)
    assert (opened.at_ns, opened.proxy, opened.client, opened.error) == (1, "backend-redis", "172.18.0.5:39842", "")
    assert opened.upstream_port is None
    assert isinstance(closed, Closed)
    assert closed.connection == opened.connection
    assert (closed.by, closed.how, closed.bytes_up) == ("unknown", "unknown", None)


def test_an_attempt_that_the_upstream_refused_says_why() -> None:
    """It counts as an attempt, and is over at once."""
    opened, closed = heard(lines(ACCEPTED, REFUSED))
    assert isinstance(opened, Opened)
    assert opened.error == "dial tcp: no such host"
    assert isinstance(closed, Closed)


def test_two_proxies_are_not_mixed_up() -> None:
    """Each accepts one client after the other, but both at the same time."""
    other = {**ACCEPTED, "name": "backend-postgres", "client": "172.18.0.5:1"}
    rows = heard(lines(ACCEPTED, other, UP | {"name": "backend-postgres"}, UP))
    assert [(row.proxy, row.client) for row in rows if isinstance(row, Opened)] == [
        ("backend-postgres", "172.18.0.5:1"),
        ("backend-redis", "172.18.0.5:39842"),
    ]


def test_the_end_of_the_server_ends_its_connections() -> None:
    """A killed Toxiproxy logs nothing more, and keeps nothing open."""
    rows = heard(lines(ACCEPTED, UP, DOWN), ended=True)
    assert [type(row) for row in rows] == [Opened, Closed, WireEnd]


def test_lines_come_in_pieces_and_some_are_none() -> None:
    """Output is cut anywhere, and a stack trace is no JSON."""
    text = b"goroutine 1 [running]:\n3\n" + lines(ACCEPTED, UP, REMOVED)
    whole = heard(text)
    assert heard(*(text[at : at + 1] for at in range(len(text)))) == whole
    assert len(whole) == 2
