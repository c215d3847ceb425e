"""Each known defect of Toxiproxy, absent: these fail on its behaviour."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.proxy import servers
from tests.proxy.servers import (
    Control,
    ProxyProcess,
    Upstream,
    connect,
    ends,
    receive,
    receive_all,
    silent,
    upstream,
    wait_for,
)

ANSWER_S = 5.0
"""Control answers at once, whatever the data does; on a busy machine, within this."""
T = TypeVar("T")


@pytest.fixture
def strict(control: Control) -> Control:
    """Control with the deadline that is promised."""
    return Control(control.address, deadline_s=ANSWER_S)


def flooding(sock: socket.socket) -> None:
    """Send until the other end does not take any more, and beyond."""
    while True:
        sock.sendall(b"x" * 65536)


TAME: dict[str, dict[str, int]] = {
    "latency": {"latency": 5},
    "bandwidth": {"rate": 1000},
    "slicer": {"average_size": 1000},
    "limit_data": {"bytes": 1 << 40},
    "timeout": {"timeout": 60_000},
    "noop": {},
}


@pytest.mark.parametrize("kind", list(TAME))
def test_removal_does_not_wait_for_a_client_that_does_not_read(control: Control, strict: Control, kind: str) -> None:
    """Toxics are added, changed and removed at once while clients don't read what floods them."""
    with upstream(flooding) as server:
        listen = control.create(server.address)
        clients = [connect(listen) for _ in range(5)]
        time.sleep(0.3)
        strict.toxic(kind, **TAME[kind])
        time.sleep(0.5)
        strict.change(f"{kind}_downstream", **TAME[kind])
        strict.ask("GET", "/proxies", status=200)
        strict.remove(f"{kind}_downstream")
        strict.ask("POST", "/reset", status=204)
        strict.ask("POST", "/proxies/p", {"enabled": False}, 200)
        assert len(clients) == 5


def test_a_blackholed_upstream_holds_nothing_up(control: Control, strict: Control) -> None:
    """While a connection is being tried, every call about the proxy is answered, and so is the next client."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    fillers = []
    for _ in range(4):  # a listener whose queue is full answers nobody, like a black hole
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    time.sleep(0.2)
    listen = control.create(f"127.0.0.1:{port}")
    clients = [connect(listen) for _ in range(3)]
    time.sleep(0.2)
    strict.ask("GET", "/proxies", status=200)
    strict.toxic("latency")
    strict.ask("POST", "/proxies/p", {"enabled": False}, 200)
    assert [ends(client) for client in clients] == ["fin"] * 3
    strict.ask("POST", "/proxies/p", {"enabled": True}, 200)
    strict.ask("DELETE", "/proxies/p", status=204)
    for sock in (full, *fillers):
        sock.close()


@pytest.mark.parametrize(
    ("kind", "attributes", "field", "limit"),
    [
        ("slicer", {}, "average_size", "from 1"),
        ("slicer", {"average_size": 10, "size_variation": 11}, "size_variation", "at most average_size"),
        ("bandwidth", {"rate": -1}, "rate", "from 0"),
        ("latency", {"latency": -1}, "latency", "from 0"),
        ("latency", {"jitter": 2**62}, "jitter", "to 2147483647"),
        ("timeout", {"timeout": 2**40}, "timeout", "to 2147483647"),
        ("limit_data", {"bytes": -1}, "bytes", "from 0"),
    ],
)
def test_impossible_attributes_are_refused(
    control: Control, echoing: Upstream, kind: str, attributes: dict[str, int], field: str, limit: str
) -> None:
    """At creation and at an update, naming the field and its limit; data flows on."""
    client = connect(control.create(echoing.address))
    error = control.ask("POST", "/proxies/p/toxics", {"type": kind, "attributes": attributes}, 400)["error"]
    assert kind in error and field in error and limit in error
    client.sendall(b"a")
    assert receive(client, 1) == b"a"


def test_all_mistakes_are_told_at_once(built_in: ProxyProcess) -> None:
    """Whoever mends one finds no second behind it."""
    built_in.control.create("127.0.0.1:9")
    body = {"type": "latency", "attributes": {"latency": -1, "jitter": "x"}}
    error = built_in.control.ask("POST", "/proxies/p/toxics", body, 400)["error"]
    assert "latency: -1" in error and 'jitter: "x"' in error


def test_an_update_is_checked_like_a_creation(built_in: ProxyProcess) -> None:
    """An impossible value is refused, and the toxic stays as it was."""
    built_in.control.create("127.0.0.1:9")
    before = built_in.control.toxic("bandwidth", rate=5)
    built_in.control.ask("POST", "/proxies/p/toxics/bandwidth_downstream", {"attributes": {"rate": -1}}, 400)
    assert built_in.control.ask("GET", "/proxies/p/toxics/bandwidth_downstream") == before


def hits(process: ProxyProcess, echoing: Upstream, count: int = 24) -> list[bool]:
    """Which of `count` connections, opened one after the other, get a toxic of toxicity one half."""
    listen = process.control.create(echoing.address)
    process.control.toxic("limit_data", bytes=1, toxicity=0.5)
    seen = []
    for _ in range(count):
        client = connect(listen)
        client.sendall(b"ab")
        seen.append(receive(client, 2) == b"a")
        client.close()
    return seen


def test_a_seed_repeats_the_draws(own: Callable[..., ProxyProcess], echoing: Upstream) -> None:
    """The same seed hits the same connections, another one others; about half of them each time."""
    seven, again, eight = (hits(own("--seed", seed), echoing) for seed in ("7", "7", "8"))
    assert seven == again
    assert seven != eight
    assert 4 <= sum(seven) <= 20


def test_toxicity_is_drawn_once_for_a_connection(built_in: ProxyProcess, echoing: Upstream) -> None:
    """Whether a connection has the toxic does not change when another toxic comes, goes or changes."""
    control = built_in.control
    listen = control.create(echoing.address)
    clients = [connect(listen) for _ in range(12)]
    echoing.taken(12)
    control.toxic("latency", latency=0, toxicity=0.5)

    def affected() -> list[int]:
        for client in clients:
            client.sendall(b"a")
            receive(client, 1)
        return [one["connection"] for one in control.connections() if "latency_downstream" in one["toxics"]]

    first = affected()
    for attributes in ({"jitter": 1}, {"jitter": 2}, {"latency": 1}):
        control.toxic("noop")
        control.toxic("slicer", average_size=5)
        control.change("latency_downstream", **attributes)
        control.remove("noop_downstream")
        control.remove("slicer_downstream")
    assert affected() == first
    assert 0 < len(first) < 12


def test_metrics_move_while_a_connection_is_open(control: Control, echoing: Upstream) -> None:
    """Bytes count when they flow."""
    client = connect(control.create(echoing.address))
    client.sendall(b"x" * 1000)
    receive(client, 1000)
    wait_for(lambda: metric(control, "toxiproxy_proxy_received_bytes_total", "upstream") == 1000, "bytes")
    assert metric(control, "toxiproxy_proxy_sent_bytes_total", "downstream") == 1000


def test_metrics_count_open_connections(control: Control, echoing: Upstream) -> None:
    """A gauge for each proxy: up with each client that comes, down with each that goes."""
    listen = control.create(echoing.address)
    clients = [connect(listen) for _ in range(3)]
    assert seen_soon(lambda: metric(control, "toxiproxy_proxy_open_connections"), 3) == 3
    clients.pop().close()
    assert seen_soon(lambda: metric(control, "toxiproxy_proxy_open_connections"), 2) == 2


def seen_soon(see: Callable[[], T], expected: T) -> T:
    """What is seen once it is as expected, or, where it does not become so in time, what is seen instead."""
    deadline = time.monotonic() + servers.ANSWER_S
    while (seen := see()) != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    return seen


def metric(control: Control, name: str, direction: str = "") -> float | None:
    for line in control.http.get("/metrics").text.splitlines():
        if line.startswith(name + "{") and 'proxy="p"' in line and (not direction or f'="{direction}"' in line):
            return float(line.rpartition(" ")[2])
    return None


def test_control_is_loopback_by_default(own: Callable[..., ProxyProcess]) -> None:
    """Nobody else may break what is being tested."""
    assert own().address.startswith("127.0.0.1:")


def test_a_flood_does_not_delay_control(control: Control, strict: Control) -> None:
    """While connections move all they can, every call is answered in time and does what it says."""
    with upstream(flooding) as server:
        listen = control.create(server.address)
        over = threading.Event()
        received = [0] * 4
        readers = [threading.Thread(target=_read, args=(listen, received, n, over), daemon=True) for n in range(4)]
        for reader in readers:
            reader.start()
        wait_for(lambda: all(received), "a flood on every connection")
        before = sum(received)
        chains = [_in_and_out(strict) for _ in range(10)]
        flowed = seen_soon(lambda: sum(received) > before, True)
        over.set()
        for reader in readers:
            reader.join()
    assert chains == [(["latency_downstream"], [])] * 10
    assert flowed


def _in_and_out(control: Control) -> tuple[list[str], list[str]]:
    """The toxics that the proxy tells after one was added, and after it was removed."""
    control.toxic("latency", latency=1)
    added = [toxic["name"] for toxic in control.ask("GET", "/proxies/p/toxics", status=200)]
    control.remove("latency_downstream")
    return added, control.ask("GET", "/proxies/p/toxics", status=200)


def _read(listen: tuple[str, int], received: list[int], n: int, over: threading.Event) -> None:
    with connect(listen) as sock:
        while not over.is_set():
            received[n] += len(sock.recv(1 << 20))


COMPAT: list[tuple[str, Callable[[Control, Upstream], Any], Any]] = [
    ("populate", lambda control, _: control.ask("POST", "/populate", [], 201), {"proxies": None}),
    ("listen", lambda control, up: control.create(up.address, listen="")[0], "0.0.0.0"),
    ("half-close", lambda control, up: _half_closed(connect(control.create(up.address))), b""),
]


@pytest.mark.parametrize(("what", "see", "expected"), COMPAT, ids=[one[0] for one in COMPAT])
def test_compat_does_as_the_original(
    own: Callable[..., ProxyProcess], what: str, see: Callable[[Control, Upstream], Any], expected: Any
) -> None:
    """Where a client may rely on how the original differs, `--compat` has it."""

    def late(sock: socket.socket) -> None:
        receive_all(sock)
        sock.sendall(b"late")
        sock.close()

    with upstream(late) as server:
        assert see(own("--compat").control, server) == expected


def _half_closed(client: socket.socket) -> bytes:
    client.sendall(b"all")
    client.shutdown(socket.SHUT_WR)
    return receive_all(client)


def test_a_dead_client_is_noticed_while_nothing_flows(built_in: ProxyProcess) -> None:
    """A RST of the client ends the connection, though nobody wants to read or write."""
    with upstream(silent) as server:
        client = connect(built_in.control.create(server.address))
        server.taken()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
        assert seen_soon(built_in.control.connections, []) == []
