"""Toxics take over a transfer that is stalled in the middle, and hand it back, without losing or moving a byte."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from tests.proxy.servers import ProxyProcess, connect, receive, silent, upstream, wait_for

PAYLOAD = os.urandom(16 << 20)
STEP = 2 << 20
TOXICS = {
    "latency": {"latency": 1},
    "slicer": {"average_size": 3000},
    "limit_data": {"bytes": 1 << 40},
    "delay_statement": {"statement": "never said"},
}


def sending(sock: socket.socket) -> None:
    """Send the payload, whatever the other end does."""
    sock.settimeout(60)
    sock.sendall(PAYLOAD)
    sock.shutdown(socket.SHUT_WR)
    sock.recv(1)


def stalled(process: ProxyProcess) -> None:
    """Wait until nothing moves any more: the proxy holds what its target does not take."""
    seen = [-1]

    def still() -> bool:
        time.sleep(0.05)
        one = process.control.connections()[0]
        seen.append(one["bytes_up"] + one["bytes_down"])
        return seen[-1] == seen[-2] > 0

    wait_for(still, "a stall")


@pytest.mark.parametrize(
    ("kind", "stream"),
    [("latency", "upstream"), ("latency", "downstream"), ("slicer", "downstream"), ("limit_data", "downstream"),
     ("delay_statement", "upstream")],
)  # fmt: skip
def test_a_stalled_transfer_changes_hands(built_in: ProxyProcess, kind: str, stream: str) -> None:
    """Straight, through the toxic, with other attributes, and straight again, stalled each time."""
    control = built_in.control
    with upstream(sending if stream == "downstream" else silent) as server:
        client = connect(control.create(server.address))
        source = server.taken()
        if stream == "upstream":
            threading.Thread(target=sending, args=(client,), daemon=True).start()
            target = source
        else:
            target = client
        target.settimeout(30)
        got = receive(target, STEP)
        stalled(built_in)
        control.toxic(kind, stream=stream, **TOXICS[kind])
        got += receive(target, STEP)
        stalled(built_in)
        control.change(f"{kind}_{stream}", **TOXICS[kind])
        got += receive(target, STEP)
        stalled(built_in)
        control.remove(f"{kind}_{stream}")
        got += receive(target, len(PAYLOAD) - len(got))
        assert got == PAYLOAD
        assert target.recv(1) == b""
