"""Connects to an upstream without ever waiting: names are looked up in a thread, connecting is left to the loop."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.clock import NS_PER_S
from harness.proxy.plane.items import Timer
from harness.proxy.plane.reactor import OUT, Reactor

DIAL_TIMEOUT_S = 30


class DialTrouble(Exception):
    """Why there is no connection to the upstream."""


@dataclass(frozen=True, slots=True)
class Candidate:
    family: int
    address: Any


class Dial:
    """One attempt to reach `upstream` (`host:port`), over all addresses that its name has, in order."""

    def __init__(self, reactor: Reactor, upstream: str) -> None:
        self._reactor = reactor
        self._upstream = upstream
        self._candidates: list[Candidate] = []
        self._sock: socket.socket | None = None
        self._timer: Timer | None = None
        self._over = False
        self._trouble = "no address"
        self.read = self._ready

    def start(self, connected: Callable[[socket.socket], None], failed: Callable[[DialTrouble], None]) -> None:
        """One of the two is called, at once or later, unless `cancel` comes first."""
        self._connected = connected
        self._failed = failed
        self._timer = self._reactor.call_at(self._reactor.now_ns + DIAL_TIMEOUT_S * NS_PER_S, self._time_up)
        host, colon, port = self._upstream.rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            self._fail(f"{self._upstream!r} is no host:port")
            return
        literal = literal_address(host.strip("[]") or "127.0.0.1", int(port))
        if literal is not None:
            self._candidates = [literal]
            self._try_next()
        else:
            threading.Thread(target=self._look_up, args=(host, int(port)), daemon=True).start()

    def cancel(self) -> None:
        self._over = True
        self._drop()
        if self._timer is not None:
            self._timer.cancel()

    def ready(self, events: int) -> None:
        self._ready()

    def failed(self) -> None:
        self._fail("the proxy failed")

    def _look_up(self, host: str, port: int) -> None:
        """In a thread of its own: a name server may take its time."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            candidates = [Candidate(family, address) for family, _, _, _, address in found]
        except OSError as error:
            trouble = str(error)
            self._reactor.post(lambda: self._fail(f"lookup {host}: {trouble}"))
        else:
            self._reactor.post(lambda: self._looked_up(candidates))

    def _looked_up(self, candidates: list[Candidate]) -> None:
        self._candidates = candidates
        if not self._over:
            self._try_next()

    def _try_next(self) -> None:
        if not self._candidates:
            self._fail(self._trouble)
            return
        candidate = self._candidates.pop(0)
        self._sock = sock = socket.socket(candidate.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(candidate.address)
        if code == errno.EINPROGRESS:
            self._reactor.register(sock.fileno(), OUT, self)
        elif code:
            self._missed(code)
        else:
            self._reached()

    def _ready(self) -> None:
        assert self._sock is not None
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._missed(code)
        else:
            self._reached()

    def _reached(self) -> None:
        sock, self._sock = self._sock, None
        assert sock is not None
        self._reactor.unregister(sock.fileno())
        self.cancel()
        self._connected(sock)

    def _missed(self, code: int) -> None:
        self._trouble = f"dial tcp {self._upstream}: connect: {system_text(code)}"
        self._drop()
        self._try_next()

    def _time_up(self) -> None:
        self._fail(f"dial tcp {self._upstream}: no answer within {DIAL_TIMEOUT_S} s")

    def _fail(self, trouble: str) -> None:
        if not self._over:
            self.cancel()
            self._failed(DialTrouble(trouble))

    def _drop(self) -> None:
        if self._sock is not None:
            self._reactor.unregister(self._sock.fileno())
            self._reactor.close_later(self._sock)
            self._sock = None


def literal_address(host: str, port: int) -> Candidate | None:
    """The address where `host` is a number already; null for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return Candidate(family, (host, port))
    return None


def system_text(code: int) -> str:
    """The system's words for an error, as Go spells them."""
    words = os.strerror(code)
    return words[:1].lower() + words[1:]
