"""Promises about Redis: counted on the wire, and seen from a request."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

from tenant_backend.backend import Backend

from harness.clock import wait_until
from tests.backend.edge import Edge
from tests.backend.promises.clients import unless
from tests.backend.world import Api, World

BACKOFF_MS = 30


@asynccontextmanager
async def behind_an_edge(
    world: World, defects: str, *, away: bool = False, **settings: object
) -> AsyncIterator[tuple[Api, Backend, Edge]]:
    """A backend whose way to Redis can be cut, from the start if `away`."""
    async with Edge.to(world.servers.redis.port) as edge:
        edge.refuse = away
        url = world.servers.redis_url(edge.port)
        async with world.served(redis_url=url, defects=defects, **settings) as (api, backend):
            if not away:
                await wait_until(lambda: backend.link.state == "connected", what="Redis to be there", timeout_s=10)
            yield api, backend, edge


async def given_up(backend: Backend) -> None:
    await wait_until(lambda: backend.link.state == "fallback", what="Redis to be given up", timeout_s=10)


async def five_attempts(world: World, defects: str) -> str:
    """The wire sees five attempts, as many as are told."""
    async with behind_an_edge(world, defects, away=True) as (_, backend, edge):
        await given_up(backend)
        seen, told = len(edge.opened_at_s), backend.link.attempts
        return f"{seen} attempts on the wire, {told} told" if (seen, told) != (5, 5) else ""


async def reconnecting_ends(world: World, defects: str) -> str:
    """After the last attempt Redis is left alone."""
    async with behind_an_edge(world, defects, away=True) as (_, backend, edge):
        await wait_until(
            lambda: backend.link.state == "fallback" or len(edge.opened_at_s) > 7, what="the end", timeout_s=10
        )
        return f"{len(edge.opened_at_s)} attempts and no end" if backend.link.state != "fallback" else ""


async def attempts_keep_their_distance(world: World, defects: str) -> str:
    """Between attempts passes at least what the backoff says."""
    async with behind_an_edge(world, defects, away=True, redis_backoff_ms=BACKOFF_MS) as (_, backend, edge):
        await given_up(backend)
        waits_ms = [(late - early) * 1000 for early, late in itertools.pairwise(edge.opened_at_s)]
        wanted_ms = [BACKOFF_MS * factor - 1 for factor in (1, 1, 2, 4)]
        hurried = any(waited < wanted for waited, wanted in zip(waits_ms, wanted_ms, strict=True))
        return f"waited {[round(wait) for wait in waits_ms]} ms" if hurried else ""


async def the_log_stays_quiet(world: World, defects: str) -> str:
    """In fallback mode requests write nothing about Redis."""
    async with behind_an_edge(world, defects, away=True) as (api, backend, _):
        await given_up(backend)
        tenant = await api.tenant()
        with logged() as lines:
            for _ in range(5):
                await tenant.branches()
        return f"{len(lines)} lines in 5 requests: {lines[0]}" if lines else ""


async def fallback_is_announced_once(world: World, defects: str) -> str:
    with logged() as lines:
        async with behind_an_edge(world, defects, away=True) as (_, backend, _edge):
            await given_up(backend)
            await wait_until(lambda: "redis_fallback" in lines, what="the announcement", timeout_s=5)
    told = lines.count("redis_fallback")
    return f"announced {told} times" if told != 1 else ""


async def losing_redis_ends_nothing(world: World, defects: str) -> str:
    """The process lives on when Redis goes away."""
    async with (
        Edge.to(world.servers.redis.port) as edge,
        world.process(redis_url=world.servers.redis_url(edge.port), defects=defects) as process,
    ):

        async def is_connected() -> bool:
            return (await process.api.statistics())["redis"]["state"] == "connected"

        async def has_noticed() -> bool:
            return process.has_ended() or not await is_connected()

        await wait_until(is_connected, what="Redis to be there", timeout_s=10)
        edge.refuse = True
        edge.cut()
        await wait_until(has_noticed, what="the loss to be noticed", timeout_s=10)
        return "the backend died" if process.has_ended() else ""


async def a_blackholed_redis_holds_nobody_up(world: World, defects: str) -> str:
    """A Redis that takes everything and answers nothing costs a request its bounds, not more."""
    async with behind_an_edge(world, defects) as (api, _, edge):
        tenant = await api.tenant()
        edge.freeze()
        request = asyncio.create_task(tenant.add_branch("Main Street"))
        done, _ = await asyncio.wait({request}, timeout=4)
        edge.thaw()
        assert (await request).status_code == 201
        return "" if done else "a request hung while Redis did not answer"


async def one_slow_answer_disables_nothing(world: World, defects: str) -> str:
    """After an operation without an answer Redis is used again, over the same connection."""
    async with behind_an_edge(world, defects) as (_, backend, edge):
        edge.freeze()
        await backend.link.ask("PING")
        edge.thaw()

        async def answers() -> bool:
            return await backend.link.ask("PING") == b"PONG"

        return await unless(answers, f"Redis is there, and taken for {backend.link.state}")


async def one_connection_to_redis(world: World, defects: str) -> str:
    """However many operations, one connection."""
    async with behind_an_edge(world, defects) as (api, _, edge):
        tenant = await api.tenant()
        for _ in range(10):
            await tenant.branches()
        return f"{edge.open_now} connections to Redis" if edge.open_now != 1 else ""


async def revoked_without_redis_stays_revoked(world: World, defects: str) -> str:
    """A session that was logged out is refused when Redis is away, as well."""
    async with behind_an_edge(world, defects) as (api, backend, edge):
        tenant = await api.tenant()
        assert (await api.http.post("/api/v2/logout", headers=tenant.headers)).status_code == 200
        edge.refuse = True
        edge.cut()
        await given_up(backend)
        status = (await api.http.get("/api/v2/branches", headers=tenant.headers)).status_code
        return f"a revoked token is answered with {status}" if status != 401 else ""


async def revoked_is_revoked(world: World, defects: str) -> str:
    """A session that was logged out is refused."""
    async with behind_an_edge(world, defects) as (api, _, _edge):
        tenant = await api.tenant()
        assert (await api.http.post("/api/v2/logout", headers=tenant.headers)).status_code == 200
        status = (await api.http.get("/api/v2/branches", headers=tenant.headers)).status_code
        return f"a revoked token is answered with {status}" if status != 401 else ""


async def logins_are_limited_without_redis(world: World, defects: str) -> str:
    """Guessing a password is slowed down when Redis is away, as well. A minute may end in between, two can't."""
    limits = {"rate_limit": "on", "rate_limit_logins_per_min": 3}
    async with behind_an_edge(world, defects, away=True, **limits) as (api, backend, _):
        await given_up(backend)
        answers = [(await api.login("somebody@example.com", f"guess {n}")).status_code for n in range(12)]
        return "12 guesses, none refused" if 429 not in answers else ""


async def tenants_see_their_own(world: World, defects: str) -> str:
    """What is cached for one tenant is not shown to another."""
    async with behind_an_edge(world, defects) as (api, _, _edge):
        one, other = await api.tenant(), await api.tenant()
        await one.add_branch("of the one")
        assert await one.branches() == ["of the one"]
        seen = await other.branches()
        return f"another tenant's branches: {seen}" if seen else ""


async def what_is_cached_expires(world: World, defects: str) -> str:
    """No key of a tenant stays in Redis for ever."""
    async with behind_an_edge(world, defects) as (api, backend, _edge):
        tenant = await api.tenant()
        await tenant.branches()
        left_s = await backend.link.ask("TTL", f"branches:{UUID(tenant.tenant_id).hex}")
        assert left_s != -2, "nothing was cached"
        return "what is cached never expires" if left_s == -1 else ""


@contextmanager
def logged() -> Iterator[list[str]]:
    """The events that the backend writes to its log meanwhile."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("tenant_backend"), Keep()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
