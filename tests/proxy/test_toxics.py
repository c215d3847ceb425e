"""Every toxic on both streams, on the built-in proxy and the original alike.

Times are lower bounds where a toxic waits, and generous upper ones where it must not.
"""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from tests.proxy.servers import Control, Upstream, connect, elapsed_s, ends, receive, receive_all, silent, upstream

STREAMS = ["upstream", "downstream"]
SOON_S = 20.0
"""Far less than what the toxics under test would wait if they did not let go."""


@pytest.mark.parametrize("stream", STREAMS)
def test_latency_delays_by_its_time(control: Control, echoing: Upstream, stream: str) -> None:
    """A round trip takes the latency longer; on both streams together they add up."""
    client = connect(control.create(echoing.address))
    control.toxic("latency", stream=stream, latency=200)
    client.sendall(b"a")
    assert elapsed_s(lambda: receive(client, 1)) > 0.19
    other = "upstream" if stream == "downstream" else "downstream"
    control.toxic("latency", stream=other, latency=200)
    client.sendall(b"a")
    assert elapsed_s(lambda: receive(client, 1)) > 0.38


def test_latency_shifts_and_keeps_the_order(control: Control, echoing: Upstream) -> None:
    """Ten pipelined messages arrive one latency later, not ten, and in order."""
    client = connect(control.create(echoing.address))
    control.toxic("latency", latency=1500)
    start = time.monotonic()
    for digit in range(10):
        client.sendall(b"%d" % digit)
        time.sleep(0.01)
    assert receive(client, 10) == b"0123456789"
    assert 1.5 < time.monotonic() - start < 12


def test_latency_with_jitter_stays_in_its_bounds(control: Control, echoing: Upstream) -> None:
    """Between latency - jitter and latency + jitter, and not always the same."""
    client = connect(control.create(echoing.address))
    control.toxic("latency", latency=60, jitter=50)
    seen = []
    for _ in range(12):
        client.sendall(b"a")
        seen.append(elapsed_s(lambda: receive(client, 1)))
    assert min(seen) > 0.008
    assert max(seen) - min(seen) > 0.01


@pytest.mark.parametrize("how", ["change", "remove"])
def test_latency_lets_go_at_once(control: Control, echoing: Upstream, how: str) -> None:
    """What is held does not wait for its time any more."""
    client = connect(control.create(echoing.address))
    control.toxic("latency", latency=60_000)
    client.sendall(b"held")
    time.sleep(0.2)
    if how == "change":
        control.change("latency_downstream", latency=0)
    else:
        control.remove("latency_downstream")
    assert elapsed_s(lambda: receive(client, 4)) < SOON_S


@pytest.mark.parametrize("stream", STREAMS)
def test_bandwidth_limits_the_rate(control: Control, echoing: Upstream, stream: str) -> None:
    """100 KB at 200 KB/s take half a second, unharmed."""
    client = connect(control.create(echoing.address))
    control.toxic("bandwidth", stream=stream, rate=200)
    payload = os.urandom(100_000)
    start = time.monotonic()
    client.sendall(payload)
    assert receive(client, len(payload)) == payload
    assert time.monotonic() - start > 0.4


def test_bandwidth_of_zero_stalls_until_it_is_removed(control: Control, echoing: Upstream) -> None:
    """Nothing comes, and nothing is lost."""
    client = connect(control.create(echoing.address))
    control.toxic("bandwidth", rate=0)
    client.sendall(b"held")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(4)
    client.settimeout(10)
    control.remove("bandwidth_downstream")
    assert receive(client, 4) == b"held"


@pytest.mark.parametrize("stream", STREAMS)
def test_slow_close_delays_the_end_only(control: Control, echoing: Upstream, stream: str) -> None:
    """Data passes at once, the end of the stream late."""
    client = connect(control.create(echoing.address))
    control.toxic("slow_close", stream=stream, delay=400)
    client.sendall(b"data")
    assert receive(client, 4) == b"data"
    client.shutdown(socket.SHUT_WR)
    assert elapsed_s(lambda: receive_all(client)) > 0.35


@pytest.mark.parametrize("stream", STREAMS)
def test_timeout_discards_and_closes(control: Control, echoing: Upstream, stream: str) -> None:
    """Nothing arrives; after that much silence the connection is closed."""
    client = connect(control.create(echoing.address))
    control.toxic("timeout", stream=stream, timeout=300)
    client.sendall(b"lost")
    start = time.monotonic()
    assert receive_all(client) == b""
    assert time.monotonic() - start > 0.25


def test_timeout_counts_silence(control: Control, echoing: Upstream) -> None:
    """Data, though discarded, puts the end off."""
    client = connect(control.create(echoing.address))
    control.toxic("timeout", stream="upstream", timeout=500)
    start = time.monotonic()
    for _ in range(4):
        time.sleep(0.2)
        client.sendall(b"lost")
    assert receive_all(client) == b""
    assert time.monotonic() - start > 1.2


def test_timeout_of_zero_never_closes_but_when_it_is_removed(control: Control, echoing: Upstream) -> None:
    """The connection hangs; its removal closes it, for data is missing."""
    client = connect(control.create(echoing.address))
    control.toxic("timeout", timeout=0)
    client.sendall(b"lost")
    client.settimeout(0.4)
    with pytest.raises(TimeoutError):
        client.recv(4)
    client.settimeout(10)
    control.remove("timeout_downstream")
    assert ends(client) == "fin"


@pytest.mark.parametrize("stream", STREAMS)
def test_reset_peer_resets_after_its_time(control: Control, echoing: Upstream, stream: str) -> None:
    """A connection opened under the toxic gets a RST, `timeout` after the first data."""
    listen = control.create(echoing.address)
    control.toxic("reset_peer", stream=stream, timeout=300)
    client = connect(listen)
    client.sendall(b"lost")
    start = time.monotonic()
    assert ends(client) == "rst"
    assert time.monotonic() - start > 0.25


def test_reset_peer_resets_connections_that_were_open(control: Control, echoing: Upstream) -> None:
    """A RST is a RST, whenever the connection was opened."""
    client = connect(control.create(echoing.address))
    client.sendall(b"a")
    assert receive(client, 1) == b"a"
    control.toxic("reset_peer", timeout=200)
    client.sendall(b"b")
    assert ends(client) == "rst"


def test_reset_peer_resets_idle_connections(control: Control, echoing: Upstream) -> None:
    """Those that were open and say nothing, and those opened later that say nothing."""
    listen = control.create(echoing.address)
    old = connect(listen)
    echoing.taken()
    control.toxic("reset_peer", timeout=100)
    new = connect(listen)
    assert [ends(old), ends(new)] == ["rst", "rst"]


def test_reset_peer_is_taken_back_in_time(control: Control, echoing: Upstream) -> None:
    """Removed while it waits, it lets the connection live, and what it held arrives."""
    listen = control.create(echoing.address)
    control.toxic("reset_peer", timeout=60_000)
    client = connect(listen)
    client.sendall(b"held")
    time.sleep(0.2)
    assert elapsed_s(lambda: control.remove("reset_peer_downstream")) < SOON_S
    assert receive(client, 4) == b"held"


def test_reset_peer_of_toxicity_zero_leaves_connections_alone(control: Control, echoing: Upstream) -> None:
    """A connection that does not get the toxic ends with a FIN as ever."""
    listen = control.create(echoing.address)
    control.toxic("reset_peer", toxicity=0.0)
    client = connect(listen)
    client.sendall(b"a")
    assert receive(client, 1) == b"a"
    client.shutdown(socket.SHUT_WR)
    assert ends(client) == "fin"


@pytest.mark.parametrize("stream", STREAMS)
def test_slicer_keeps_the_bytes(control: Control, echoing: Upstream, stream: str) -> None:
    """Small pieces with pauses, together what was sent."""
    client = connect(control.create(echoing.address))
    control.toxic("slicer", stream=stream, average_size=100, size_variation=50, delay=2000)
    payload = os.urandom(5000)
    client.sendall(payload)
    pieces, got = 0, b""
    while len(got) < len(payload):
        got += client.recv(65536)
        pieces += 1
    assert got == payload
    assert pieces > 10 or stream == "upstream"


@pytest.mark.parametrize("stream", STREAMS)
def test_limit_data_closes_after_its_bytes(control: Control, echoing: Upstream, stream: str) -> None:
    """So many bytes of a connection and direction pass, then it is closed."""
    listen = control.create(echoing.address)
    control.toxic("limit_data", stream=stream, bytes=100)
    for _ in range(2):
        client = connect(listen)
        client.sendall(b"x" * 60)
        assert receive(client, 60) == b"x" * 60
        client.sendall(b"y" * 60)
        rest = receive_all(client)
        assert rest == b"y" * 40 if stream == "downstream" else rest in (b"", b"y" * 40)


def test_limit_data_goes_on_counting_after_a_change(control: Control, echoing: Upstream) -> None:
    """A new limit holds for the connection as a whole, not from now on."""
    client = connect(control.create(echoing.address))
    control.toxic("limit_data", bytes=1000)
    client.sendall(b"x" * 60)
    assert receive(client, 60) == b"x" * 60
    control.change("limit_data_downstream", bytes=100)
    client.sendall(b"y" * 60)
    assert receive_all(client) == b"y" * 40


def test_toxics_chain_in_the_order_of_their_addition(control: Control, echoing: Upstream) -> None:
    """Latency in front of a limit: the limit's end comes after the latency."""
    client = connect(control.create(echoing.address))
    control.toxic("latency", latency=200)
    control.toxic("limit_data", bytes=3)
    client.sendall(b"abcdef")
    start = time.monotonic()
    assert receive_all(client) == b"abc"
    assert time.monotonic() - start > 0.19


@pytest.mark.parametrize(("toxicity", "hit"), [(0.0, 0), (1.0, 8)])
def test_toxicity_is_the_chance_of_a_connection(control: Control, echoing: Upstream, toxicity: float, hit: int) -> None:
    """At 0 none gets the toxic, at 1 all do."""
    listen = control.create(echoing.address)
    control.toxic("limit_data", bytes=1, toxicity=toxicity)
    clients = [connect(listen) for _ in range(8)]
    for client in clients:
        client.sendall(b"ab")
    got = [receive(client, 2) for client in clients]
    assert got.count(b"a") == hit


def test_an_upstream_that_refuses_ends_the_client(control: Control) -> None:
    """The client connects, then reads the end."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert ends(connect(control.create(f"127.0.0.1:{port}"))) == "fin"


@pytest.mark.parametrize("how", ["disable", "delete", "move"])
def test_connections_are_closed_with_their_proxy(control: Control, echoing: Upstream, how: str) -> None:
    """Both ends read the end of the stream."""
    client = connect(control.create(echoing.address))
    client.sendall(b"a")
    receive(client, 1)
    if how == "disable":
        control.ask("POST", "/proxies/p", {"enabled": False}, 200)
    elif how == "delete":
        control.ask("DELETE", "/proxies/p", status=204)
    else:
        control.ask("POST", "/proxies/p", {"upstream": "127.0.0.1:9"}, 200)
    assert ends(client) == "fin"


def test_half_close_is_kept(control: Control) -> None:
    """A client that has said all still hears the answer, as without a proxy."""

    def answer_at_the_end(sock: socket.socket) -> None:
        sock.sendall(b"heard " + receive_all(sock))
        sock.close()

    with upstream(answer_at_the_end) as server:
        client = connect(control.create(server.address))
        client.sendall(b"all")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"heard all"


def test_a_rst_is_passed_on(control: Control) -> None:
    """A client whose server dies hard hears it the same way."""
    with upstream(silent) as server:
        client = connect(control.create(server.address))
        client.sendall(b"a")
        taken = server.taken()
        assert receive(taken, 1) == b"a"
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        taken.close()
        assert ends(client) == "rst"


def test_much_data_passes_unharmed_both_ways(control: Control, echoing: Upstream) -> None:
    """32 MB there and back, without a toxic."""
    client = connect(control.create(echoing.address))
    payload = os.urandom(1 << 20) * 32
    sender = threading.Thread(target=client.sendall, args=(payload,))
    sender.start()
    assert receive(client, len(payload)) == payload
    sender.join()
