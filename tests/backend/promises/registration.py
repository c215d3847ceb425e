"""Promises about registrations: whole or not at all, once, bounded, and acknowledged when they are done."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import asyncpg

from tests.backend.world import Tenant, World, registration

TRIES = 5
MORE_TENANTS = 5
KEPT_BYTES_MAX = 150 * 1024


async def a_failed_registration_leaves_no_row(world: World, defects: str) -> str:
    """When a step fails the e-mail address is free again."""
    async with world.served(failpoints="create_admin=error", defects=defects) as (api, _):
        assert (await api.register()).status_code == 500
        rows = await world.tenants()
        return f"a row stays, {rows[0]['status']}" if rows else ""


async def a_failed_registration_leaves_no_database(world: World, defects: str) -> str:
    async with world.served(failpoints="create_admin=error", defects=defects) as (api, _):
        assert (await api.register()).status_code == 500
        databases = await world.databases()
        return f"databases stay: {databases}" if databases else ""


async def an_address_registers_once(world: World, defects: str) -> str:
    """Of six registrations of one address at once, one succeeds."""
    async with world.served(defects=defects) as (api, _):
        body = registration()
        answers = await asyncio.gather(*(api.http.post("/api/v2/registrations", json=body) for _ in range(6)))
        made = Counter(answer.status_code for answer in answers)[201]
        return f"one address has {made} tenants" if made != 1 else ""


async def a_retry_is_the_same_registration(world: World, defects: str) -> str:
    """Repeated under its key a registration is answered with the tenant that it made."""
    async with world.served(defects=defects) as (api, _):
        body, headers = registration(), {"Idempotency-Key": "retried"}
        first, again = [await api.http.post("/api/v2/registrations", json=body, headers=headers) for _ in range(2)]
        same = again.status_code == 201 and again.json()["tenantId"] == first.json()["tenantId"]
        return "" if same else f"the retry was answered with {again.status_code}"


async def a_hostile_slug_is_refused(world: World, defects: str) -> str:
    """A slug is refused by its form; the database never sees it as SQL."""
    async with world.served(defects=defects) as (api, _):
        status = (await api.register(slug="o'brien")).status_code
        return f"a slug with an apostrophe is answered with {status}" if status != 422 else ""


async def acknowledged_is_committed(world: World, defects: str) -> str:
    """When the answer is there the tenant is active, whatever happens to the process next."""
    async with world.served(defects=defects) as (api, _):
        for _ in range(TRIES):
            tenant = await api.tenant()
            row = await world.sql.fetchrow("SELECT status FROM tenants WHERE tenant_id = $1", tenant.tenant_id)
            if row["status"] != "active":
                return f"an acknowledged tenant is {row['status']}"
        return ""


async def the_event_loop_turns(world: World, defects: str) -> str:
    """No single turn of the loop takes most of a registration's time. The best of three, since machines have moods."""
    async with world.served(defects=defects) as (api, _):
        await api.tenant()
        shares = []
        for _ in range(3):
            longest_s = 0.0
            started_s = time.monotonic()
            registering = asyncio.create_task(api.tenant())
            while not registering.done():
                before_s = time.monotonic()
                await asyncio.wait({registering}, timeout=0.002)
                longest_s = max(longest_s, time.monotonic() - before_s)
            shares.append(longest_s / (time.monotonic() - started_s))
        return f"the loop stood still for {min(shares):.0%} of a registration" if min(shares) > 0.5 else ""


async def acknowledged_is_migrated(world: World, defects: str) -> str:
    """When the answer is there every table is."""
    async with world.served(defects=defects) as (api, _):
        for _ in range(TRIES):
            tenant = await api.tenant()
            if "branches" not in await tables(world, tenant):
                return "an acknowledged tenant lacks a table"
        return ""


async def work_is_bounded(world: World, defects: str) -> str:
    """Beyond the bound registrations are turned away."""
    async with world.served(max_registrations_in_flight=2, defects=defects) as (api, _):
        answers = await asyncio.gather(*(api.register() for _ in range(8)))
        return "8 at once, 2 allowed, none turned away" if {a.status_code for a in answers} == {201} else ""


async def memory_does_not_grow_with_registrations(world: World, defects: str) -> str:
    """What a registration needed is given back."""
    async with world.served(cache_limit=1, defects=defects) as (api, _):
        for _ in range(3):
            await api.tenant()
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(6):
                await api.tenant()
            gc.collect()
            kept = tracemalloc.get_traced_memory()[0] // 6
        finally:
            tracemalloc.stop()
        return f"each registration keeps {kept} bytes" if kept > KEPT_BYTES_MAX else ""


async def threads_do_not_grow_with_registrations(world: World, defects: str) -> str:
    """A tenant has no thread of its own."""
    more = await _more_after(world, defects, threading.active_count)
    return f"{more} threads more after {MORE_TENANTS} registrations" if more else ""


async def files_do_not_grow_with_registrations(world: World, defects: str) -> str:
    """A tenant has no open file of its own, beside the connections of its client."""
    more = await _more_after(world, defects, _open_files)
    return f"{more} open files more after {MORE_TENANTS} registrations" if more else ""


def _open_files() -> int:
    """Descriptors that lead to a file and to no socket or pipe; one that is deleted counts too."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            links.append(str(descriptor.readlink()))
    return sum(link.startswith("/") for link in links)


async def _more_after(world: World, defects: str, level: Callable[[], int]) -> int:
    """By how much the level rose over registrations, after the first had filled the pools of threads."""
    async with world.served(cache_limit=1, defects=defects) as (api, _):
        for _ in range(MORE_TENANTS):
            await api.tenant()
        before = level()
        for _ in range(MORE_TENANTS):
            await api.tenant()
        return level() - before


async def acknowledged_is_written(world: World, defects: str) -> str:
    """When a branch is acknowledged it stands in the tenant's database."""
    async with world.served(defects=defects) as (api, _):
        tenant = await api.tenant()
        connection = await asyncpg.connect(world.servers.postgres_url(tenant.database), ssl=False)
        try:
            for number in range(1, TRIES + 1):
                assert (await tenant.add_branch(f"branch {number}")).status_code == 201
                if await connection.fetchval("SELECT count(*) FROM branches") < number:
                    return "an acknowledged branch is not there"
        finally:
            await connection.close()
        return ""


async def tables(world: World, tenant: Tenant) -> set[str]:
    connection = await asyncpg.connect(world.servers.postgres_url(tenant.database), ssl=False)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return {row["tablename"] for row in rows}
