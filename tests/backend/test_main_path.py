"""The main path: register, sign in, work, sign out, and what is told of it."""

from tests.backend.world import PASSWORD, World


async def test_a_tenant_from_registration_to_logout(world: World) -> None:
    """A registered tenant has its own migrated database, signs in and works; after logout its token is worthless."""
    async with world.served() as (api, _):
        tenant = await api.tenant()
        assert await world.databases() == {tenant.database}
        assert (await tenant.add_branch("Main Street")).json()["tenantId"] == tenant.tenant_id
        assert await tenant.branches() == ["Main Street"]
        again = await api.login(tenant.email, PASSWORD)
        assert again.json()["tenantId"] == tenant.tenant_id
        assert (await api.login(tenant.email, "wrong")).status_code == 401
        assert (await api.http.post("/api/v2/logout", headers=tenant.headers)).status_code == 200
        assert (await api.http.get("/api/v2/branches", headers=tenant.headers)).status_code == 401


async def test_statistics_add_up_with_evictions(world: World) -> None:
    """With a cache of two and five tenants three clients are evicted and closed, and the server agrees."""
    async with world.served(cache_limit=2) as (api, backend):
        tenants = [await api.tenant() for _ in range(5)]
        await backend.clients.sweep()
        told = (await api.statistics())["connections"]
        assert (told["created"], told["cached"], told["evicted"]) == (5, 2, 3)
        assert told["potentialLeaks"] == told["closing"]
        open_now = [await world.connections(tenant.database) for tenant in tenants[:2]]
        assert open_now == [0, 0]


async def test_evicted_client_never_disconnected(world: World) -> None:
    """With the defect the formula shows the leaks, and the server shows the same connections."""
    async with world.served(cache_limit=2, defects="evicted_client_never_disconnected") as (api, _):
        tenants = [await api.tenant() for _ in range(5)]
        told = (await api.statistics())["connections"]
        assert told["potentialLeaks"] == 3
        assert [await world.connections(tenant.database) for tenant in tenants] == [1] * 5


async def test_a_process_of_its_own(world: World) -> None:
    """`python -m tenant_backend` serves, and ends with 0 when asked to."""
    async with world.process(provisioning="direct") as process:
        await process.api.tenant()
        assert (await process.http.get("/health")).json()["status"] == "ok"
        assert process.stop() == 0
