"""Who may do what: tokens in every forged shape, revocation with Redis there, away and back, limits, passwords."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import jwt
import pytest
from tenant_backend.security.tokens import ALGORITHM

from harness.clock import wait_until
from tests.backend.edge import Edge
from tests.backend.promises.service import claims
from tests.backend.world import PASSWORD, SECRET, Api, World

FORGED: dict[str, dict[str, Any]] = {
    "issuer": {"iss": "somebody-else"},
    "audience": {"aud": "another-api"},
    "expiry": {"exp": int(time.time()) - 1},
    "use": {"use": "refresh"},
    "tenant": {"tid": "not-a-tenant"},
}


@pytest.mark.parametrize("claim", FORGED)
async def test_a_token_with_one_wrong_claim_is_refused(world: World, claim: str) -> None:
    """Correctly signed, and still refused with 401: every claim is checked."""
    async with world.served() as (api, _):
        tenant = await api.tenant()
        forged = jwt.encode(claims(tenant) | FORGED[claim], SECRET, algorithm=ALGORITHM)
        assert await status_with(api, forged) == 401
        assert await status_with(api, jwt.encode(claims(tenant), SECRET, algorithm=ALGORITHM)) == 200


@pytest.mark.parametrize("missing", ["exp", "iat", "sub", "tid", "sid", "jti", "use", "iss", "aud"])
async def test_a_token_without_a_claim_is_refused(world: World, missing: str) -> None:
    async with world.served() as (api, _):
        rest = {name: value for name, value in claims(await api.tenant()).items() if name != missing}
        assert await status_with(api, jwt.encode(rest, SECRET, algorithm=ALGORITHM)) == 401


async def test_the_algorithm_is_fixed(world: World) -> None:
    """Unsigned, signed by another algorithm or another secret, cut off or no token at all: 401."""
    async with world.served() as (api, _):
        tenant = await api.tenant()
        said = claims(tenant)
        for token in (
            jwt.encode(said, None, algorithm="none"),
            jwt.encode(said, SECRET, algorithm="HS512"),
            jwt.encode(said, "another secret, as long as the first", algorithm=ALGORITHM),
            tenant.token.rsplit(".", 1)[0] + ".",
            "a.b.c",
        ):
            assert await status_with(api, token) == 401
        unasked = await api.http.get("/api/v2/branches")
        assert (unasked.status_code, unasked.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_refresh_token_is_good_for_one_new_pair(world: World) -> None:
    """Refreshing ends the old session, its access token included; logging out ends the new one."""
    async with world.served() as (api, _):
        tenant = await api.tenant()
        assert await status_with(api, tenant.refresh_token) == 401
        new = (await refresh(api, tenant.refresh_token)).json()
        assert new["tenantId"] == tenant.tenant_id
        assert await status_with(api, tenant.token) == 401
        assert (await refresh(api, tenant.refresh_token)).status_code == 401
        both = await asyncio.gather(*(refresh(api, new["refreshToken"]) for _ in range(2)))
        assert sorted(answer.status_code for answer in both) == [200, 401]
        new = next(answer.json() for answer in both if answer.status_code == 200)
        assert await status_with(api, new["accessToken"]) == 200
        assert (await api.http.post("/api/v2/logout", headers=bearer(new["accessToken"]))).status_code == 200
        assert (await refresh(api, new["refreshToken"])).status_code == 401


async def test_revoked_while_redis_is_away_stays_revoked_everywhere(world: World) -> None:
    """A logout while Redis is away holds at once, once Redis is back, in another process, and after a start."""
    async with Edge.to(world.servers.redis.port) as edge:
        settings = {"redis_url": world.servers.redis_url(edge.port), "redis_max_reconnects": 1000}
        async with world.served(**settings) as (api, one), world.served(instance="two", **settings) as (second, two):
            tenant = await api.tenant()
            for backend in (one, two):
                await wait_until(lambda each=backend: each.link.state == "connected", what="Redis", timeout_s=10)
            assert await status_with(second, tenant.token) == 200
            edge.refuse = True
            edge.cut()
            await wait_until(lambda: one.link.state == two.link.state == "reconnecting", what="the loss", timeout_s=10)
            assert (await api.http.post("/api/v2/logout", headers=tenant.headers)).status_code == 200
            assert [await status_with(each, tenant.token) for each in (api, second)] == [401, 401]
            edge.refuse = False
            for backend in (one, two):
                await wait_until(lambda each=backend: each.link.state == "connected", what="Redis", timeout_s=20)
            assert [await status_with(each, tenant.token) for each in (api, second)] == [401, 401]
        async with world.served(**settings) as (api, _):
            assert await status_with(api, tenant.token) == 401


async def test_when_nobody_can_say_whether_it_is_revoked_nobody_is_let_in(world: World) -> None:
    """Redis and Postgres away: 503 with Retry-After, not 200."""
    async with (
        Edge.to(world.servers.postgres.port) as postgres,
        Edge.to(world.servers.redis.port) as redis,
        world.served(
            database_url=world.servers.postgres_url(world.control, postgres.port),
            redis_url=world.servers.redis_url(redis.port),
        ) as (api, _),
    ):
        tenant = await api.tenant()
        assert await status_with(api, tenant.token) == 200
        for edge in (postgres, redis):
            edge.refuse = True
            edge.cut()
        answer = await api.http.get("/api/v2/branches", headers=tenant.headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_limits_hold_and_can_be_switched_off(world: World) -> None:
    """Beyond its limit a login is refused with 429 and Retry-After, with Redis as without; off means off."""
    limits = {"rate_limit": "on", "rate_limit_logins_per_min": 3, "rate_limit_registrations_per_min": 3}
    async with world.served(**limits) as (api, backend):
        await wait_until(lambda: backend.link.state == "connected", what="Redis to be there", timeout_s=10)
        answers = [await api.login("x@example.com", "guess") for _ in range(8)]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert answers[0].status_code == 401
        assert 429 in [(await api.register()).status_code for _ in range(8)]
        # Another address is another guesser's.
        assert (await api.login("y@example.com", "guess")).status_code == 401
    async with world.served(**(limits | {"rate_limit": "off"})) as (api, _):
        assert {(await api.login("x@example.com", "guess")).status_code for _ in range(8)} == {401}


async def test_passwords_are_hashed_with_argon2(world: World) -> None:
    """What stands in the tenant's database is an argon2id hash, and nowhere stands the password."""
    async with world.process(log_level="debug") as process:
        tenant = await process.api.tenant()
        connection = await asyncpg.connect(world.servers.postgres_url(tenant.database), ssl=False)
        try:
            row = await connection.fetchrow("SELECT * FROM users")
        finally:
            await connection.close()
        assert row["password_hash"].startswith("$argon2id$")
        assert PASSWORD not in str(row) + process.log.read_text()


@pytest.mark.parametrize(
    "slug", ["o'brien", "a;drop table tenants", "../etc", "A", "-a", "a-", "ü", "a\n", "x" * 64, ""]
)
async def test_a_slug_is_checked_before_it_meets_the_database(world: World, slug: str) -> None:
    """422, nothing made, and the tables are still there."""
    async with world.served() as (api, _):
        assert (await api.register(slug=slug)).status_code == 422
        assert await world.nothing_left()


async def test_tenants_can_not_see_each_other(world: World) -> None:
    """Two tenants with data of their own, warm and cold: by no path does one see the other's."""
    async with world.served(cache_limit=1) as (api, _):
        one, other = await api.tenant(), await api.tenant()
        await one.add_branch("One")
        await other.add_branch("Other")
        for _ in range(2):
            assert (await one.branches(), await other.branches()) == (["One"], ["Other"])
        for method, body in (("GET", None), ("POST", {"name": "Intruder"})):
            path = f"/api/v1/branches/churches/{one.tenant_id}/branches"
            assert (await api.http.request(method, path, json=body, headers=other.headers)).status_code == 403
        assert await one.branches() == ["One"]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status_with(api: Api, token: str) -> int:
    return (await api.http.get("/api/v2/branches", headers=bearer(token))).status_code


async def refresh(api: Api, token: str) -> Any:
    return await api.http.post("/api/v2/refresh", json={"refreshToken": token})
