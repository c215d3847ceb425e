"""The smallest backend that a stack can be tried with: tells whether Postgres and Redis answer by the way it was given.

It needs nothing but Python, so that the same file runs as a process and in a container.
"""

import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TIMEOUT_S = 2.0
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


def ask(service: str, question: bytes, bytes_min: int) -> bytes:
    host, _, port = os.environ[f"PROBE_{service}"].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        connection.sendall(question)
        answer = b""
        while len(answer) < bytes_min:
            part = connection.recv(100)
            if not part:
                raise ConnectionError("closed without an answer")
            answer += part
        return answer


def look(path: str) -> bytes:
    if path == "/health":
        return b"fine"
    if path == "/postgres":
        return ask("POSTGRES", SSL_REQUEST, 1)
    if path == "/redis":
        return ask("REDIS", b"PING\r\n", 7)
    raise LookupError(path)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            status, body = 200, look(self.path)
        except (OSError, LookupError) as error:
            status, body = 503, f"{type(error).__name__}: {error}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    print("probe backend starts", file=sys.stderr, flush=True)
    ThreadingHTTPServer((os.environ["PROBE_HOST"], int(os.environ["PROBE_PORT"])), Handler).serve_forever()
