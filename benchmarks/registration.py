"""How much longer a registration takes than the `CREATE DATABASE` that it can't do without, in three ways.

Raw: `CREATE DATABASE ... TEMPLATE template0 STRATEGY FILE_COPY` over one open connection, and over ten. Registrations
go to the reference backend by HTTP, with password hashing at its cheapest; what hashing costs by default is a row of
its own. All are measured in turns, and another one begins each turn, so that the machine's moods and what the one
before left to be written meet all of them.

The goals are for a server as it comes: data on disk, and what is acknowledged is safe. Measured too, where there is
memory for it, is a server as the embedded stack runs it: nothing is ever synced, so that a plain copy costs next to
nothing, and everything else shows.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
from argon2 import PasswordHasher

from benchmarks.plain_http import PlainHttp
from benchmarks.rows import Row
from benchmarks.tenant_backend import CHEAP_HASHING, Servers, backend, drop, register, servers
from harness.clock import wait_until
from harness.live.stack.scratch import kind_of, scratch_parent

TURNS = 30
BATCHES = 6
BATCH_SIZE = 30
AT_ONCE = 10
WARM_SIZE = 2
HASHES = 15
REPORTED_MS = 14_033
MODES = ("direct", "template", "warm")
GOALS = {"template": 2.0, "warm": 0.5, "at_10": 0.8}
DATABASES = (TURNS + 2) * (len(MODES) + 1) + (BATCHES + 1) * BATCH_SIZE * 2 + 2 * WARM_SIZE
DATABASE_BYTES = 10 * 1024**2

Clean = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """By what was done: how long one took, and how many there were a second at ten at once."""

    took_ms: dict[str, list[float]]
    per_s: dict[str, list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the server's data lies, and whether what is acknowledged is safe there.

    A durable one's databases stay to the end: ext4 without a journal doesn't use a deleted file's inode again for
    minutes, and looks through all of them for each new file (`recently_deleted` in the kernel's fs/ext4/ialloc.c). A
    hundred dropped databases made the next copies ten times slower, the plain ones most.
    """

    parent: Path
    durable: bool


def run() -> Iterator[Row]:
    memory = scratch_parent(DATABASES)
    if kind_of(memory) == "in memory":
        yield from _rows(Place(parent=memory, durable=False), goals={}, suffix="_in_memory")
    hashing_ms = [_timed_ms(lambda: PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash("a password"))
                  for _ in range(HASHES)]  # fmt: skip
    yield _ms("password_hash_p50", hashing_ms, "argon2id as the backend does it by default; not in the other rows")
    yield from _rows(Place(parent=_disk(), durable=True), goals=GOALS)


def _disk() -> Path:
    """The folder for temporary files. Raises `OSError` where it is no disk, or has too little room."""
    folder = Path(tempfile.gettempdir())
    needed, free = DATABASES * DATABASE_BYTES, shutil.disk_usage(folder).free
    if kind_of(folder) != "on disk" or free < needed:
        found = f"{folder} is {kind_of(folder)} and has {free >> 20} MiB free"
        raise OSError(f"{found}; {needed >> 20} MiB on disk are needed; set TMPDIR to a folder that has them")
    return folder


def _rows(place: Place, *, goals: dict[str, float], suffix: str = "") -> Iterator[Row]:
    measured = asyncio.run(_measured(place))
    yield from _latency_rows(measured.took_ms, goals, suffix)
    yield from _throughput_rows(measured.per_s, goals, suffix)


def _latency_rows(took_ms: dict[str, list[float]], goals: dict[str, float], suffix: str) -> Iterator[Row]:
    raw_ms = statistics.median(took_ms["raw"])
    yield _ms(f"create_database_p50{suffix}", took_ms["raw"], "FILE_COPY, one at a time")
    for mode in MODES:
        note = f"the report behind this product: {REPORTED_MS} ms"
        yield _ms(f"registration_{mode}_p50{suffix}", took_ms[mode], note)
    for mode in MODES:
        ratio = statistics.median(took_ms[mode]) / raw_ms
        name = f"registration_{mode}_p50_over_create_database{suffix}"
        yield Row(name, ratio, "ratio", TURNS, goals.get(mode), "lower")


def _throughput_rows(per_s: dict[str, list[float]], goals: dict[str, float], suffix: str) -> Iterator[Row]:
    raw, ours = (statistics.median(per_s[name]) for name in ("raw", "template"))
    yield Row(
        f"create_databases_per_s_at_10{suffix}", raw, "1/s", BATCHES, None, "higher", "FILE_COPY, ten connections"
    )
    yield Row(f"registrations_per_s_at_10{suffix}", ours, "1/s", BATCHES, None, "higher", "from the template")
    name = f"registrations_per_s_at_10_over_create_database{suffix}"
    yield Row(name, ours / raw, "ratio", BATCHES, goals.get("at_10"), "higher")


def _ms(name: str, took_ms: list[float], note: str) -> Row:
    return Row(name, statistics.median(took_ms), "ms", len(took_ms), None, "lower", note)


async def _measured(place: Place) -> Measured:
    async with (
        servers("bench-registration", parent=place.parent, durable=place.durable) as found,
        AsyncExitStack() as stack,
    ):
        settings = {**CHEAP_HASHING, "WARM_SIZE": str(WARM_SIZE)}
        clients = {
            mode: await stack.enter_async_context(backend(found, f"control_{mode}", PROVISIONING=mode, **settings))
            for mode in MODES
        }
        raw = await stack.enter_async_context(asyncpg.create_pool(found.url("postgres"), min_size=10, max_size=10))
        clean = _nothing if place.durable else partial(_clean, found)
        took_ms = await _one_by_one(raw, clients, clean)
        return Measured(took_ms=took_ms, per_s=await _at_once(raw, clients["template"], clean))


async def _one_by_one(raw: asyncpg.Pool, clients: dict[str, PlainHttp], clean: Clean) -> dict[str, list[float]]:
    work: dict[str, Callable[[], Awaitable[object]]] = {"raw": lambda: _create_database(raw)}
    for mode, client in clients.items():
        work[mode] = lambda client=client: register(client)  # type: ignore[misc]
    took_ms: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(-2, TURNS):  # the first two warm everything up and don't count
        for name in _in_turn(work, turn):
            await _spares_are_ready(clients["warm"])
            started_s = time.perf_counter()
            await work[name]()
            if turn >= 0:
                took_ms[name].append((time.perf_counter() - started_s) * 1000)
        await clean()
    return took_ms


async def _at_once(raw: asyncpg.Pool, client: PlainHttp, clean: Clean) -> dict[str, list[float]]:
    work = {"raw": lambda: _create_database(raw), "template": lambda: register(client)}
    per_s: dict[str, list[float]] = {name: [] for name in work}
    for batch in range(-1, BATCHES):
        for name in _in_turn(work, batch):
            started_s = time.perf_counter()
            await _batch(work[name])
            if batch >= 0:
                per_s[name].append(BATCH_SIZE / (time.perf_counter() - started_s))
            await clean()
    return per_s


def _in_turn(names: Iterable[str], turn: int) -> list[str]:
    """Beginning with another one each turn."""
    known = list(names)
    first = turn % len(known)
    return known[first:] + known[:first]


async def _batch(one: Callable[[], Awaitable[object]]) -> None:
    """`BATCH_SIZE` times `one`, `AT_ONCE` at a time."""
    left = iter(range(BATCH_SIZE))

    async def worker() -> None:
        for _ in left:
            await one()

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def _create_database(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        name = f"raw_{time.monotonic_ns()}_{id(connection) % 99991}"
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY FILE_COPY")


async def _nothing() -> None:
    pass


async def _clean(found: Servers) -> None:
    await drop(found, "SELECT datname FROM pg_database WHERE starts_with(datname, 'raw_')")
    for mode in MODES:
        await drop(found, "SELECT database FROM tenants ORDER BY created_at DESC LIMIT 100", by=f"control_{mode}")


async def _spares_are_ready(client: PlainHttp) -> None:
    async def ready() -> bool:
        return f"spare_databases_ready {float(WARM_SIZE)}" in (await client.get("/metrics"))[1].decode()

    await wait_until(ready, what="the spare databases", timeout_s=60)


def _timed_ms(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return (time.perf_counter() - started_s) * 1000
