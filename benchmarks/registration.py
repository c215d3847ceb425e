"""How much longer a registration takes than the `CREATE DATABASE` that it can't do without, in three ways.

Raw: `CREATE DATABASE ... TEMPLATE template0 STRATEGY FILE_COPY` over one open connection, and over ten. Registrations
go to the reference backend by HTTP, with password hashing at its cheapest; what hashing costs by default is a row of
its own. All are measured in turns, so that the machine's moods meet all of them.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import asyncpg
from argon2 import PasswordHasher

from benchmarks.plain_http import PlainHttp
from benchmarks.rows import Row
from benchmarks.tenant_backend import CHEAP_HASHING, Servers, backend, drop, register, servers
from harness.clock import wait_until

TURNS = 30
BATCHES = 5
BATCH_SIZE = 40
AT_ONCE = 10
WARM_SIZE = 2
HASHES = 15
REPORTED_MS = 14_033
MODES = ("direct", "template", "warm")


def run() -> Iterator[Row]:
    one_by_one_ms, per_s = asyncio.run(_measured())
    yield from _latency_rows(one_by_one_ms)
    yield from _throughput_rows(per_s)
    hashing_ms = [_timed_ms(lambda: PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash("a password"))
                  for _ in range(HASHES)]  # fmt: skip
    yield _ms("password_hash_p50", hashing_ms, "argon2id as the backend does it by default; not in the rows above")


def _latency_rows(took_ms: dict[str, list[float]]) -> Iterator[Row]:
    raw_ms = statistics.median(took_ms["raw"])
    yield _ms("create_database_p50", took_ms["raw"], "FILE_COPY, one at a time")
    for mode in MODES:
        yield _ms(f"registration_{mode}_p50", took_ms[mode], f"the report behind this product: {REPORTED_MS} ms")
    goals = {"direct": None, "template": 2.0, "warm": 0.5}
    for mode in MODES:
        ratio = statistics.median(took_ms[mode]) / raw_ms
        yield Row(f"registration_{mode}_p50_over_create_database", ratio, "ratio", TURNS, goals[mode], "lower")


def _throughput_rows(per_s: dict[str, list[float]]) -> Iterator[Row]:
    raw, ours = (statistics.median(per_s[name]) for name in ("raw", "template"))
    yield Row("create_databases_per_s_at_10", raw, "1/s", BATCHES, None, "higher", "FILE_COPY, ten connections")
    yield Row("registrations_per_s_at_10", ours, "1/s", BATCHES, None, "higher", "from the template")
    yield Row("registrations_per_s_at_10_over_create_database", ours / raw, "ratio", BATCHES, 0.8, "higher")


def _ms(name: str, took_ms: list[float], note: str) -> Row:
    return Row(name, statistics.median(took_ms), "ms", len(took_ms), None, "lower", note)


async def _measured() -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    async with servers("bench-registration") as found, AsyncExitStack() as stack:
        settings = {**CHEAP_HASHING, "WARM_SIZE": str(WARM_SIZE)}
        clients = {
            mode: await stack.enter_async_context(backend(found, f"control_{mode}", PROVISIONING=mode, **settings))
            for mode in MODES
        }
        raw = await stack.enter_async_context(asyncpg.create_pool(found.url("postgres"), min_size=10, max_size=10))
        return await _one_by_one(found, raw, clients), await _at_once(found, raw, clients["template"])


async def _one_by_one(found: Servers, raw: asyncpg.Pool, clients: dict[str, PlainHttp]) -> dict[str, list[float]]:
    work: dict[str, Callable[[], Awaitable[object]]] = {"raw": lambda: _create_database(raw)}
    for mode, client in clients.items():
        work[mode] = lambda client=client: register(client)  # type: ignore[misc]
    took_ms: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(-2, TURNS):  # the first two warm everything up and don't count
        for name, one in work.items():
            await _spares_are_ready(clients["warm"])
            started_s = time.perf_counter()
            await one()
            if turn >= 0:
                took_ms[name].append((time.perf_counter() - started_s) * 1000)
        await _clean(found)
    return took_ms


async def _at_once(found: Servers, raw: asyncpg.Pool, client: PlainHttp) -> dict[str, list[float]]:
    work = {"raw": lambda: _create_database(raw), "template": lambda: register(client)}
    per_s: dict[str, list[float]] = {name: [] for name in work}
    for batch in range(-1, BATCHES):
        for name, one in work.items():
            started_s = time.perf_counter()
            await _batch(one)
            if batch >= 0:
                per_s[name].append(BATCH_SIZE / (time.perf_counter() - started_s))
            await _clean(found)
    return per_s


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
