"""Lets workers on other machines reach the client edge, which listens on loopback only: bytes pass, nothing else."""

from __future__ import annotations

import ipaddress

import gevent
from gevent import socket
from gevent.server import StreamServer

from harness.live.load import messages

CHUNK_BYTES = 64 * 1024


def reachable(listen: str, target: str) -> tuple[str, int]:
    """Where workers find the target. One on loopback is passed on, where workers may be on other machines.

    An empty host means the master's own, by whatever name the worker knows it.
    """
    host, port = messages.address(target)
    if not is_loopback(host) or is_loopback(listen):
        return host, port
    return "", relay(listen, (host, port)).server_port


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def relay(listen_host: str, target: tuple[str, int]) -> StreamServer:
    """A server on a free port of `listen_host` that passes every connection on; started."""
    server = StreamServer((listen_host, 0), lambda accepted, _: passed_on(accepted, target))
    server.start()
    return server


def passed_on(accepted: socket.socket, target: tuple[str, int]) -> None:
    """One connection, until both sides have ended. Where the target refuses, the client's connection is closed."""
    with accepted:
        try:
            onward = socket.create_connection(target)
        except OSError:
            return
        with onward:
            for one in (accepted, onward):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            gevent.joinall([gevent.spawn(pumped, accepted, onward), gevent.spawn(pumped, onward, accepted)])


def pumped(source: socket.socket, sink: socket.socket) -> None:
    """Bytes from one side to the other; the end of one direction is passed on, a break ends both."""
    try:
        while chunk := source.recv(CHUNK_BYTES):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for one in (source, sink):
            one.close()
