"""Promises about tokens, paths, health, recovery and what answers tell."""

from __future__ import annotations

import time

import jwt
from tenant_backend.security.tokens import ALGORITHM

from harness.clock import wait_until
from tests.backend.edge import Edge
from tests.backend.promises.clients import unless
from tests.backend.world import SECRET, Tenant, World


async def unsigned_tokens_are_refused(world: World, defects: str) -> str:
    async with world.served(defects=defects) as (api, _):
        tenant = await api.tenant()
        forged = jwt.encode(claims(tenant), None, algorithm="none")
        return await answered(tenant, forged, "an unsigned token")


async def expired_tokens_are_refused(world: World, defects: str) -> str:
    async with world.served(defects=defects) as (api, _):
        tenant = await api.tenant()
        old = jwt.encode(claims(tenant) | {"exp": int(time.time()) - 60}, SECRET, algorithm=ALGORITHM)
        return await answered(tenant, old, "an expired token")


async def another_tenants_path_is_refused(world: World, defects: str) -> str:
    """The old API's paths name a tenant; only the asking one is served."""
    async with world.served(defects=defects) as (api, _):
        one, other = await api.tenant(), await api.tenant()
        path = f"/api/branches/churches/{one.tenant_id}/branches"
        status = (await api.http.get(path, headers=other.headers)).status_code
        return f"another tenant's path is answered with {status}" if status != 403 else ""


async def health_tells_what_is_away(world: World, defects: str) -> str:
    """Without Postgres health is 503, and ready as well."""
    async with Edge.to(world.servers.postgres.port) as edge:
        url = world.servers.postgres_url(world.control, edge.port)
        async with world.served(database_url=url, defects=defects) as (api, _):
            assert (await api.http.get("/health")).status_code == 200
            edge.refuse = True
            edge.cut()
            told = [(await api.http.get(path)).status_code for path in ("/health", "/health/ready")]
            return f"Postgres is away, health says {told}" if told != [503, 503] else ""


async def it_recovers_with_postgres(world: World, defects: str) -> str:
    """Once Postgres answers again, requests do."""
    async with Edge.to(world.servers.postgres.port) as edge:
        url = world.servers.postgres_url(world.control, edge.port)
        async with world.served(database_url=url, connect_timeout_s=1, defects=defects) as (api, backend):
            tenant = await api.tenant()
            assert (await tenant.add_branch("before")).status_code == 201
            edge.refuse = True
            edge.cut()
            assert (await tenant.add_branch("in between")).status_code == 503
            edge.refuse = False

            async def works() -> bool:
                return (await tenant.add_branch("after")).status_code == 201

            await wait_until(backend.health.is_ready, what="Postgres to be back", timeout_s=10)
            return await unless(works, "Postgres is back, requests are still refused", timeout_s=4)


async def errors_tell_nothing_from_inside(world: World, defects: str) -> str:
    """No stack, module or database name in an error."""
    async with world.served(defects=defects) as (api, _):
        text = (await api.register(email="not an address")).text
        told = [word for word in ("Traceback", "Error:", "pydantic", ".py") if word in text]
        return f"an error tells {told}" if told else ""


async def answers_name_no_database(world: World, defects: str) -> str:
    async with world.served(defects=defects) as (api, _):
        answer = await api.register()
        name = "tenant_" + answer.json()["tenantId"].replace("-", "")
        return f"the answer names {name}" if name in answer.text else ""


async def answers_name_the_tenant(world: World, defects: str) -> str:
    """`tenantId` stands at the top of every answer about a tenant."""
    async with world.served(defects=defects) as (api, _):
        tenant = await api.tenant()
        answers = [
            await tenant.add_branch("Main Street"),
            await api.http.get("/api/v2/branches", headers=tenant.headers),
            await api.http.post("/api/v2/logout", headers=tenant.headers),
        ]
        lacking = [answer.url.path for answer in answers if answer.json().get("tenantId") != tenant.tenant_id]
        return f"no tenantId in {lacking}" if lacking else ""


def claims(tenant: Tenant) -> dict[str, object]:
    """What the tenant's own token says."""
    return dict(jwt.decode(tenant.token, options={"verify_signature": False}))


async def answered(tenant: Tenant, token: str, what: str) -> str:
    answer = await tenant.api.http.get("/api/v2/branches", headers={"Authorization": f"Bearer {token}"})
    return f"{what} is answered with {answer.status_code}" if answer.status_code != 401 else ""
