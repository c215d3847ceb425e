"""The ledger: every connection has its rows, and they say what is true."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress

from harness.clock import NS_PER_S, monotonic_ns
from harness.proxy.plane.listener import spelled
from tests.proxy.servers import ProxyProcess, Upstream, connect, ends, receive, receive_all, upstream, wait_for

RST = b"\x01\0\0\0\0\0\0\0"


def test_a_connection_has_two_rows(own: Callable[..., ProxyProcess], echoing: Upstream) -> None:
    """Opened and closed, with both ports, bytes and times on the run's clock."""
    origin_ns = monotonic_ns()
    process = own("--origin-ns", str(origin_ns))
    client = connect(process.control.create(echoing.address))
    client.sendall(b"abc")
    receive(client, 3)
    upstream_port = echoing.taken().getpeername()[1]
    client.shutdown(socket.SHUT_WR)
    receive_all(client)
    closed = process.rows("closed")[0]
    opened = process.rows("opened")[0]
    assert (opened["proxy"], opened["connection"], opened["error"]) == ("p", 1, "")
    assert opened["client"] == spelled(client.getsockname())
    assert opened["upstream_port"] == upstream_port
    assert (closed["by"], closed["how"], closed["bytes_up"], closed["bytes_down"]) == ("client", "fin", 3, 3)
    moments = [opened["at_ns"], closed["first_byte_up_ns"], closed["first_byte_down_ns"], closed["at_ns"]]
    assert moments == sorted(moments)
    assert moments[0] > 0 and moments[-1] < monotonic_ns() - origin_ns < 600 * NS_PER_S


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    sock.close()


def obedient(sock: socket.socket) -> None:
    """Echo, but end the connection as it is told."""
    while (data := sock.recv(100)) not in (b"", b"FIN", b"RST"):
        sock.sendall(data)
    if data == b"RST":
        reset(sock)
    else:
        sock.close()


def told(word: bytes) -> Callable[[socket.socket], None]:
    def end(client: socket.socket) -> None:
        with suppress(ConnectionResetError):  # it may come before a word is said
            client.sendall(word)
        ends(client)
        client.close()

    return end


def test_who_ended_it_and_how(own: Callable[..., ProxyProcess]) -> None:
    """Client or upstream, a toxic or control; FIN or RST."""
    process = own()
    control = process.control

    def poisoned(kind: str, **attributes: int) -> Callable[[socket.socket], None]:
        def end(client: socket.socket) -> None:
            control.toxic(kind, **attributes)
            told(b"a")(client)
            control.remove(f"{kind}_downstream")

        return end

    cases = [
        (socket.socket.close, ("client", "fin")),
        (reset, ("client", "rst")),
        (told(b"FIN"), ("upstream", "fin")),
        (told(b"RST"), ("upstream", "rst")),
        (poisoned("limit_data", bytes=1), ("toxic", "fin")),
        (poisoned("reset_peer", timeout=0), ("toxic", "rst")),
        (lambda _: control.ask("DELETE", "/proxies/p", status=204), ("control", "fin")),
    ]
    with upstream(obedient) as server:
        listen = control.create(server.address)
        for number, (end, expected) in enumerate(cases, 1):
            client = connect(listen)
            client.sendall(b"a")
            receive(client, 1)
            end(client)
            row = process.rows("closed", number)[-1]
            assert (row["by"], row["how"]) == expected


def test_toxics_that_hit_a_connection_are_named(own: Callable[..., ProxyProcess], echoing: Upstream) -> None:
    """Those that acted on it, and no others."""
    process = own()
    client = connect(process.control.create(echoing.address))
    process.control.toxic("latency", latency=1)
    process.control.toxic("slow_close", delay=60_000, toxicity=0.0)
    client.sendall(b"a")
    receive(client, 1)
    process.control.remove("latency_downstream")
    client.close()
    assert process.rows("closed")[0]["toxics"] == ["latency_downstream"]


def test_an_upstream_that_refuses_leaves_rows(own: Callable[..., ProxyProcess]) -> None:
    """No upstream port, and why."""
    process = own()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    ends(connect(process.control.create(f"127.0.0.1:{port}")))
    opened = process.rows("opened")[0]
    assert opened["upstream_port"] is None
    assert opened["error"].endswith("connection refused")
    assert process.rows("closed")[0]["by"] == "upstream"


def test_open_connections_can_be_asked_for(built_in: ProxyProcess, echoing: Upstream) -> None:
    """Each with what is known so far; closed ones are gone."""
    listen = built_in.control.create(echoing.address)
    client, other = connect(listen), connect(listen)
    client.sendall(b"abc")
    receive(client, 3)
    wait_for(lambda: len(built_in.control.connections()) == 2, "two connections")
    found = {one["client"]: one for one in built_in.control.connections()}
    mine = found[spelled(client.getsockname())]
    assert (mine["bytes_up"], mine["bytes_down"]) == (3, 3)
    assert mine["upstream_port"] in [sock.getpeername()[1] for sock in echoing.sockets]
    other.close()
    wait_for(lambda: len(built_in.control.connections()) == 1, "one connection")


def test_rows_reach_the_disk_by_themselves(own: Callable[..., ProxyProcess], echoing: Upstream) -> None:
    """Killed hard, the proxy has lost nothing that is older than a moment."""
    process = own()
    connect(process.control.create(echoing.address)).close()
    process.rows("closed")
    time.sleep(0.05)
    process.process.kill()
    process.process.wait()
    assert [len(process._rows(kind)) for kind in ("opened", "closed")] == [1, 1]


def test_a_terminated_proxy_closes_its_connections_on_record(
    own: Callable[..., ProxyProcess], echoing: Upstream
) -> None:
    """SIGTERM ends every connection, writes that down, and exits 0."""
    process = own()
    client = connect(process.control.create(echoing.address))
    wait_for(process.control.connections, "the connection")
    assert process.end() == 0
    assert ends(client) == "fin"
    assert [(row["by"], row["how"]) for row in process._rows("closed")] == [("control", "fin")]


def test_no_payload_is_kept(own: Callable[..., ProxyProcess]) -> None:
    """Whatever flows, none of it is in the ledger."""
    process = own()

    def answer(sock: socket.socket) -> None:
        receive(sock, 6)
        sock.sendall(b"SECRET")
        sock.close()

    with upstream(answer) as server:
        client = connect(process.control.create(server.address))
        client.sendall(b"SECRET")
        receive_all(client)
        client.close()
        process.rows("closed")
    assert "SECRET" not in process.events.read_text()
