"""What the proxy's tests talk to and through: a proxy process, its control, and upstreams."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

TOXIPROXY = "toxiproxy-server"
WITHOUT_EPOLL = """
import os, select, sys
del select.epoll, os.splice, os.eventfd
from harness.proxy.cli import main
sys.exit(main(sys.argv[1:]))
"""
ANSWER_S = 15.0


class ProxyProcess:
    """A server on a free port: the built-in one, the same without epoll (`fallback`), or the original."""

    def __init__(self, kind: str, folder: Path, *arguments: str) -> None:
        self.kind = kind
        self.events = folder / "proxy.jsonl"
        self.process, self.address = (self._original if kind == "toxiproxy" else self._built_in)(folder, arguments)
        self.control = Control(self.address)

    @property
    def is_original(self) -> bool:
        return self.kind == "toxiproxy"

    def rows(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """The ledger's rows of a kind, once there are `count`."""
        wait_for(lambda: len(self._rows(kind)) >= count, f"{count} rows {kind}")
        return self._rows(kind)

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(ANSWER_S)

    def _rows(self, kind: str) -> list[dict[str, Any]]:
        text = self.events.read_text() if self.events.exists() else ""
        rows = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [row for row in rows if row["kind"] == kind]

    def _built_in(self, folder: Path, arguments: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], str]:
        port_file = folder / "port"
        own = ["--port", "0", "--port-file", str(port_file), "--events", str(self.events), "--proxy-metrics"]
        program = ["-c", WITHOUT_EPOLL] if self.kind == "fallback" else ["-m", "harness.proxy"]
        process = subprocess.Popen([sys.executable, *program, *own, *arguments])
        wait_for(lambda: port_file.exists() and port_file.read_text(), "the proxy's port", process)
        return process, port_file.read_text()

    def _original(self, folder: Path, arguments: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], str]:
        program = shutil.which(TOXIPROXY)
        assert program
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        own = ["-host", "127.0.0.1", "-port", str(port), "-proxy-metrics"]
        quiet = {**os.environ, "LOG_LEVEL": "fatal"}
        process = subprocess.Popen([program, *own, *arguments], stdout=subprocess.DEVNULL, env=quiet)
        wait_for(lambda: answers(("127.0.0.1", port)), "toxiproxy to listen", process)
        return process, f"127.0.0.1:{port}"


class Control:
    """The control interface; every call has the same deadline."""

    def __init__(self, address: str, *, deadline_s: float = ANSWER_S) -> None:
        self.address = address
        self.http = httpx.Client(base_url=f"http://{address}", timeout=deadline_s, trust_env=False)

    def ask(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        """The answer's JSON, or its text where it is none; checks the status where one is given."""
        answer = self.http.request(method, path, json=body)
        if status is not None:
            assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        try:
            return answer.json()
        except ValueError:
            return answer.text

    def create(self, upstream: str, name: str = "p", **more: Any) -> tuple[str, int]:
        """A proxy on loopback; gives back where it listens."""
        shape = self.ask("POST", "/proxies", {"name": name, "upstream": upstream, "listen": "127.0.0.1:0", **more}, 201)
        return split(shape["listen"])

    def toxic(self, type: str, name: str = "p", stream: str = "downstream", **attributes: Any) -> dict[str, Any]:
        toxicity = attributes.pop("toxicity", 1.0)
        body = {"type": type, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        return self.ask("POST", f"/proxies/{name}/toxics", body, 200)

    def change(self, toxic: str, name: str = "p", **attributes: Any) -> dict[str, Any]:
        return self.ask("POST", f"/proxies/{name}/toxics/{toxic}", {"attributes": attributes}, 200)

    def remove(self, toxic: str, name: str = "p") -> None:
        self.ask("DELETE", f"/proxies/{name}/toxics/{toxic}", status=204)

    def clear(self) -> None:
        for name in self.ask("GET", "/proxies", status=200):
            self.ask("DELETE", f"/proxies/{name}", status=204)

    def connections(self, name: str = "p") -> list[dict[str, Any]]:
        return self.ask("GET", f"/proxies/{name}/connections", status=200)


class Upstream:
    """A server whose every connection is served by `serve` in a thread of its own; `sockets` are all of them."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self.sockets:
            sock.close()

    def taken(self, count: int = 1) -> socket.socket:
        """The `count`-th connection's socket, once it is there."""
        wait_for(lambda: len(self.sockets) >= count, f"connection {count} upstream")
        return self.sockets[count - 1]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(ANSWER_S)
            self.sockets.append(sock)
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock: socket.socket) -> None:
        try:
            self._serve(sock)
        except OSError:
            return  # the test has cut it


def echo(sock: socket.socket) -> None:
    """Give back what comes, and the end of it too."""
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def silent(sock: socket.socket) -> None:
    """Leave it to the test, which has the socket."""


@contextmanager
def upstream(serve: Callable[[socket.socket], None] = echo) -> Iterator[Upstream]:
    made = Upstream(serve)
    try:
        yield made
    finally:
        made.close()


def connect(address: tuple[str, int]) -> socket.socket:
    sock = socket.create_connection(address, timeout=ANSWER_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def receive(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer where the stream ends."""
    got = bytearray()
    while len(got) < size and (data := sock.recv(size - len(got))):
        got += data
    return bytes(got)


def receive_all(sock: socket.socket) -> bytes:
    got = bytearray()
    while data := sock.recv(65536):
        got += data
    return bytes(got)


def ends(sock: socket.socket) -> str:
    """How the stream ends: "fin" or "rst"; what comes before is dropped."""
    try:
        receive_all(sock)
    except ConnectionResetError:
        return "rst"
    return "fin"


def refused(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        probe.settimeout(ANSWER_S)
        return probe.connect_ex(address) != 0


def answers(address: tuple[str, int]) -> bool:
    return not refused(address)


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def wait_for(holds: Callable[[], Any], what: str, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + ANSWER_S
    while not holds():
        assert process is None or process.poll() is None, f"ended while waiting for {what}"
        assert time.monotonic() < deadline, f"no {what} within {ANSWER_S} s"
        time.sleep(0.01)


def elapsed_s(call: Callable[[], object]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start
