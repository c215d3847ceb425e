"""A server that does what a test scripts, byte by byte, and keeps what it was sent."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Script = Callable[["Peer"], None]


@dataclass
class Peer:
    """The server's end of one connection."""

    socket: socket.socket
    server: Hostile

    def request(self) -> bytes:
        """Read one request, its body by Content-Length; what was read is counted as a request of the server."""
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = self.socket.recv(65536)
            if not chunk:
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        self.server.requests.append(head)
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += self.socket.recv(65536)
        return head + b"\r\n\r\n" + body

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@dataclass
class Hostile:
    """Listens on loopback; `script` is played for every connection, one at a time."""

    port: int
    script: Script
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@contextlib.contextmanager
def hostile(script: Script) -> Iterator[Hostile]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Hostile(listening.getsockname()[1], script)
        over = threading.Event()

        def serve() -> None:
            while True:
                accepted, _ = listening.accept()
                if over.is_set():
                    accepted.close()
                    return
                server.connections += 1
                accepted.settimeout(10)
                with accepted, contextlib.suppress(OSError):
                    # What the client does to the connection is the client's business; the script ends with it.
                    server.script(Peer(accepted, server))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", server.port)).close()
            thread.join(15)
