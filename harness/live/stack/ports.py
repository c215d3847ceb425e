"""Ports that nobody else can take: bound, never listening, for the life of a stack."""

from __future__ import annotations

import socket

from harness.live.stack.model import Address, EnvironmentTrouble

LOOPBACK = "127.0.0.1"


class Reservation:
    """A loopback port held by a socket that never listens.

    Linux gives a port that is bound so to nobody who asks for any port, neither to listen nor to connect from, while a
    server that sets SO_REUSEADDR (Postgres, Redis, Go, asyncio, uvicorn, Node, the JVM: all do) may bind and listen on
    it. So a service that was killed finds its port free when it comes back, and a connect meanwhile is refused.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((LOOPBACK, 0))
        except OSError as error:
            self._socket.close()
            raise EnvironmentTrouble(f"no free port on {LOOPBACK}: {error}; close programs that hold ports") from error
        self.address = Address(LOOPBACK, int(self._socket.getsockname()[1]))

    def release(self) -> None:
        self._socket.close()
