"""A listening socket that hands out what it accepts."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

from harness.clock import NS_PER_MS
from harness.proxy.faults import system
from harness.proxy.plane.dial import literal_address, system_text
from harness.proxy.plane.reactor import IN, Reactor

BACKLOG = 4096
ACCEPT_MOST = 64
"""Connections accepted in one go, so that a rush of them doesn't hold up those that are there."""

PAUSE_NS = 100 * NS_PER_MS
"""How long nothing is accepted after the system had no descriptor left."""

Accepted = Callable[[socket.socket, str], None]


class Listener:
    """Bound and listening from its creation on. Raises `Fault` with the system's words."""

    def __init__(self, reactor: Reactor, listen: str, accepted: Accepted) -> None:
        self._reactor = reactor
        self._accepted = accepted
        self._sock = bound(listen)
        self.address = spelled(self._sock.getsockname())
        self.read = self._accept
        self._open = True
        reactor.register(self._sock.fileno(), IN, self)

    def close(self) -> None:
        self._open = False
        self._reactor.unregister(self._sock.fileno())
        self._sock.close()

    def ready(self, events: int) -> None:
        self._accept()

    def failed(self) -> None:
        """A connection that could not be set up is told by itself; the listener goes on."""

    def _accept(self) -> None:
        for _ in range(ACCEPT_MOST):
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:
                self._pause(error)
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted(sock, spelled(address))

    def _pause(self, error: OSError) -> None:
        print(f"can't accept on {self.address}: {error}", file=sys.stderr, flush=True)
        self._reactor.modify(self._sock.fileno(), 0)
        self._reactor.call_at(self._reactor.now_ns + PAUSE_NS, self._go_on)

    def _go_on(self) -> None:
        if self._open:
            self._reactor.modify(self._sock.fileno(), IN)


def bound(listen: str) -> socket.socket:
    """A listening socket on a literal `host:port`."""
    host, colon, port = listen.rpartition(":")
    if not colon:
        raise system(f"listen tcp: address {listen}: missing port in address")
    if not port.isdigit() or int(port) > 65535:
        raise system(f"listen tcp: address {listen}: invalid port")
    candidate = literal_address(host.strip("[]"), int(port))
    if candidate is None:
        raise system(f"listen tcp: lookup {host}: no such host")
    sock = socket.socket(candidate.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(candidate.address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise system(f"listen tcp {listen}: bind: {system_text(error.errno or 0)}") from error
    sock.setblocking(False)
    return sock


def spelled(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
