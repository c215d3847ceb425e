"""Promises about the tenants' clients, asked of the backend's ledger and of the server's."""

from __future__ import annotations

import asyncio
from uuid import UUID

from tenant_backend.backend import Backend

from harness.clock import wait_until
from tests.backend.edge import Edge
from tests.backend.world import Api, World

RUSHES = 5


async def evicted_clients_leave_nothing(world: World, defects: str) -> str:
    """With a cache of two and five tenants, three clients are closed and counted so."""
    async with world.served(cache_limit=2, defects=defects) as (api, backend):
        for _ in range(5):
            await api.tenant()
        return await leaks(api, backend)


async def first_requests_share_a_client(world: World, defects: str) -> str:
    """Two requests of a tenant without a client open one."""
    async with world.served(cache_limit=2, defects=defects) as (api, backend):
        tenant = UUID((await api.tenant()).tenant_id)
        for _ in range(2):
            await api.tenant()

        async def use() -> None:
            async with backend.clients.client(tenant):
                pass

        await asyncio.gather(use(), use())
        return await leaks(api, backend)


async def the_cache_keeps_its_limit(world: World, defects: str) -> str:
    """Eight tenants at once leave no more clients than there is room for."""
    async with world.served(cache_limit=2, defects=defects) as (api, _):
        await asyncio.gather(*(api.tenant() for _ in range(8)))
        cached = (await api.statistics())["connections"]["cached"]
        return f"{cached} clients cached, 2 allowed" if cached > 2 else ""


async def nobody_loses_a_client_in_use(world: World, defects: str) -> str:
    """With room for one client twelve registrations at once take turns, and all succeed, again and again."""
    async with world.served(cache_limit=1, defects=defects) as (api, _):
        for _ in range(RUSHES):
            answers = await asyncio.gather(*(api.register() for _ in range(12)))
            failed = [answer.status_code for answer in answers if answer.status_code != 201]
            if failed:
                return f"registrations failed: {failed}"
    return ""


async def a_disconnect_that_hangs_is_forced(world: World, defects: str) -> str:
    """A client whose server does not answer is closed all the same, and counted."""
    async with Edge.to(world.servers.postgres.port) as edge:
        url = world.servers.postgres_url(world.control, edge.port)
        async with world.served(database_url=url, disconnect_timeout_s=0.2, cache_idle_s=0, defects=defects) as (
            api,
            backend,
        ):
            await api.tenant()
            edge.freeze()
            await backend.clients.sweep()
            broken = await leaks(api, backend)
            edge.thaw()
            return broken


async def the_ledger_adds_up(world: World, defects: str) -> str:
    """What was created is cached, closing or closed."""
    async with world.served(cache_limit=2, defects=defects) as (api, _):
        for _ in range(5):
            await api.tenant()
        now = (await api.statistics())["connections"]
        parts = now["cached"] + now["closing"] + now["closed"]
        return f"{now['created']} created, {parts} accounted for" if now["created"] != parts else ""


async def closed_means_closed(world: World, defects: str) -> str:
    """A client that is counted as closed has no connection on the server any more."""
    async with world.served(cache_limit=2, defects=defects) as (api, backend):
        tenants = [await api.tenant() for _ in range(5)]
        await nothing_closing(backend)

        async def gone() -> bool:
            return not any([await world.connections(tenant.database) for tenant in tenants[:3]])

        return await unless(gone, "the server has connections of clients that are counted as closed")


async def every_client_is_kept_track_of(world: World, defects: str) -> str:
    """Eleven tenants, eleven clients."""
    async with world.served(defects=defects) as (api, backend):
        for _ in range(11):
            await api.tenant()
        return await leaks(api, backend)


async def failed_registrations_leave_no_client(world: World, defects: str) -> str:
    """A registration that fails late closes what it opened."""
    async with world.served(failpoints="create_admin=error", defects=defects) as (api, backend):
        assert (await api.register()).status_code == 500
        return await leaks(api, backend)


async def the_control_database_keeps_its_connections(world: World, defects: str) -> str:
    """Registrations one after the other need no more connections to the control database the more there are."""
    async with world.served(defects=defects) as (api, _):
        await api.tenant()
        before = await world.connections(world.control)
        for _ in range(5):
            await api.tenant()
        grown = await world.connections(world.control) - before
        return f"{grown} connections more after 5 registrations" if grown > 2 else ""


async def it_survives_many_clients(world: World, defects: str) -> str:
    """The process lives on after its eighth client."""
    async with world.process(defects=defects) as process:
        for _ in range(8):
            try:
                await process.api.register()
            except Exception as error:  # noqa: BLE001 - whatever the client raises when the server dies
                await wait_until(process.has_ended, what="the backend to have ended", timeout_s=10)
                return f"the backend died: {type(error).__name__}"
        return ""


async def dead_connections_are_replaced(world: World, defects: str) -> str:
    """A tenant whose connections the server ended, as a restart does, works on."""
    async with world.served(defects=defects) as (api, _):
        tenant = await api.tenant()
        assert (await tenant.add_branch("before")).status_code == 201
        await world.sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", tenant.database
        )
        answers = [(await tenant.add_branch(f"after {n}")).status_code for n in range(3)]
        return f"answered with {answers} after its connections were ended" if set(answers) != {201} else ""


async def leaks(api: Api, backend: Backend) -> str:
    """The report's formula, once nothing is being closed any more."""
    await nothing_closing(backend)
    now = (await api.statistics())["connections"]
    leaked = now["created"] - now["closed"] - now["cached"]
    return f"{leaked} clients leaked" if leaked else ""


async def nothing_closing(backend: Backend) -> None:
    await wait_until(lambda: not backend.clients._closing_tasks, what="closings to end", timeout_s=10)


async def unless(holds: object, broken: str, timeout_s: float = 3.0) -> str:
    """`broken` unless `holds` comes true in time."""
    try:
        await wait_until(holds, what=broken, timeout_s=timeout_s)  # type: ignore[arg-type]
    except TimeoutError:
        return broken
    return ""
