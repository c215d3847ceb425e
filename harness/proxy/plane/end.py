"""One of a connection's two sockets, and what its loop watches it for."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from harness.proxy.plane.reactor import ERR, HUP, IN, OUT

if TYPE_CHECKING:
    from harness.proxy.plane.connection import Connection
    from harness.proxy.plane.lane import Lane

NO_LINGER = struct.pack("ii", 1, 0)
DRAIN_READS = 16
DRAIN_BYTES = 64 * 1024
Peer = Literal["client", "upstream"]


class End:
    """A socket, non-blocking. `read` is what to do when it can be read, `outbound` the lane that writes to it."""

    __slots__ = ("_connection", "_mask", "_watched", "descriptor", "gone", "outbound", "peer", "read",
                 "sock")  # fmt: skip

    def __init__(self, connection: Connection, peer: Peer, sock: socket.socket) -> None:
        self.sock = sock
        self.peer = peer
        self.descriptor = sock.fileno()
        self.gone = False
        self.outbound: Lane | None = None
        self.read: Callable[[], None] = self._read_nothing
        self._connection = connection
        self._mask = 0
        self._watched = False

    def watch(self) -> None:
        """Learn of a broken connection, whatever else is wanted."""
        self._watched = True
        self._connection.reactor.register(self.descriptor, self._mask, self)

    def want(self, event: int, on: bool) -> None:
        mask = self._mask | event if on else self._mask & ~event
        if mask == self._mask or self.gone:
            return
        self._mask = mask
        if self._watched:
            self._connection.reactor.modify(self.descriptor, mask)
        elif mask:
            self.watch()

    def ready(self, events: int) -> None:
        """Whatever is not plain readability."""
        if events & ERR:
            self._connection.broken(self)
            return
        if events & OUT and self.outbound is not None:
            self.outbound.writable()
        if self.gone or not events & (IN | HUP):
            return
        if self._mask & IN:
            self.read()
        elif events & HUP:
            self._look_away()

    def failed(self) -> None:
        self._connection.abort(by="control")

    def drop(self, *, reset: bool) -> None:
        """Close it: with a RST, or with a FIN, which takes that nothing is left unread."""
        if self.gone:
            return
        self.gone = True
        if self._watched:
            self._connection.reactor.unregister(self.descriptor)
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        else:
            self._drain()
        self._connection.reactor.close_later(self.sock)

    def _drain(self) -> None:
        """A socket that is closed with unread data sends a RST instead of a FIN."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            for _ in range(DRAIN_READS):
                if not self.sock.recv(DRAIN_BYTES):
                    return
        except OSError:
            return  # nothing more to read, or nobody there any more: closed either way

    def _look_away(self) -> None:
        """Both directions are shut and nothing is wanted: it would be reported again and again."""
        self._watched = False
        self._connection.reactor.unregister(self.descriptor)

    def _read_nothing(self) -> None:
        """Before the other end is there nothing is read."""
