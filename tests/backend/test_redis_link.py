"""The link to Redis: counted on the wire, since that is where a promise about reconnecting is kept or broken."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tenant_backend.shared_state.redis_link import AWAY, RedisLink

from harness.clock import wait_until
from tests.backend.edge import Edge
from tests.backend.world import Servers

BACKOFF_MS = 20


@asynccontextmanager
async def linked(
    port: int, kind: type[RedisLink] = RedisLink, *, backoff_ms: int = BACKOFF_MS
) -> AsyncIterator[RedisLink]:
    link = kind(
        f"redis://127.0.0.1:{port}/0",
        reconnects_max=5,
        backoff_ms=backoff_ms,
        connect_timeout_s=0.3,
        operation_timeout_s=0.1,
    )
    link.start()
    try:
        yield link
    finally:
        await link.stop()


async def is_in(link: RedisLink, state: str, timeout_s: float = 10.0) -> None:
    await wait_until(lambda: link.state == state, what=f"the link to be {state}", timeout_s=timeout_s)


async def test_one_connection_serves_many_at_once(servers: Servers) -> None:
    """Commands sent side by side over the one connection each get their own answer."""
    async with Edge.to(servers.redis.port) as edge, linked(edge.port) as link:
        await is_in(link, "connected")
        answers = await asyncio.gather(*(link.ask("ECHO", str(n)) for n in range(200)))
        assert answers == [str(n).encode() for n in range(200)]
        assert len(edge.opened_at_s) == 1


async def test_away_from_the_start_five_attempts_then_fallback(servers: Servers) -> None:
    """Five connections on the wire and not one more; then fallback, announced once, for good."""
    async with Edge.to(servers.redis.port) as edge:
        edge.refuse = True
        async with linked(edge.port) as link:
            await is_in(link, "fallback")
            assert (len(edge.opened_at_s), link.attempts, link.announcements) == (5, 5, 1)
            edge.refuse = False
            assert await link.ask("PING") is AWAY
            assert len(edge.opened_at_s) == 5


async def test_lost_later_five_attempts_with_growing_waits(servers: Servers) -> None:
    """After a loss the wire sees five attempts; the last waits are once, twice and four times the base."""
    async with Edge.to(servers.redis.port) as edge, linked(edge.port, backoff_ms=50) as link:
        await is_in(link, "connected")
        edge.opened_at_s.clear()
        edge.refuse = True
        edge.cut()
        await is_in(link, "fallback")
        assert len(edge.opened_at_s) == 5
        waits_ms = [(late - early) * 1000 for early, late in itertools.pairwise(edge.opened_at_s)]
        assert all(waited >= asked for waited, asked in zip(waits_ms, [49, 49, 99, 199], strict=True)), waits_ms


def test_the_waits_are_those_of_the_report() -> None:
    """With the base of a second: 1 s before attempts 1 to 3, then 2 s and 4 s, never more than 10 s."""
    link = RedisLink("redis://x", reconnects_max=5, backoff_ms=1000, connect_timeout_s=1, operation_timeout_s=1)
    assert [link.wait_ms(attempt) for attempt in (1, 2, 3, 4, 5, 9)] == [1000, 1000, 1000, 2000, 4000, 10_000]


async def test_redis_back_in_time_is_used_again(servers: Servers) -> None:
    """When an attempt succeeds operations work again, and the next loss has five attempts of its own."""
    async with Edge.to(servers.redis.port) as edge, linked(edge.port) as link:
        await is_in(link, "connected")
        for _ in range(2):
            edge.refuse = True
            edge.cut()
            await is_in(link, "reconnecting")
            await wait_until(lambda: link.attempts >= 2, what="two attempts", timeout_s=5)
            edge.refuse = False
            await is_in(link, "connected")
            assert await link.ask("PING") == b"PONG"
        assert link.announcements == 0


async def test_one_operation_without_an_answer_disables_nothing(servers: Servers) -> None:
    """A single slow answer costs that operation only; the next one is answered over the same connection."""
    async with Edge.to(servers.redis.port) as edge, linked(edge.port) as link:
        await is_in(link, "connected")
        edge.freeze()
        assert await link.ask("ECHO", "late") is AWAY
        edge.thaw()
        assert await link.ask("ECHO", "next") == b"next"
        assert (link.state, len(edge.opened_at_s)) == ("connected", 1)


async def test_a_refused_command_disables_nothing(servers: Servers) -> None:
    """An error reply is the operation's own trouble."""
    async with linked(servers.redis.port) as link:
        await is_in(link, "connected")
        assert await link.ask("NO-SUCH-COMMAND") is AWAY
        assert await link.ask("PING") == b"PONG"


async def test_a_blackhole_is_bounded_and_found_out(servers: Servers) -> None:
    """Operations into a blackhole end in time; three without an answer end the connection."""
    async with Edge.to(servers.redis.port) as edge, linked(edge.port) as link:
        await is_in(link, "connected")
        edge.freeze()
        started_s = time.monotonic()
        assert await asyncio.gather(*(link.ask("PING") for _ in range(50))) == [AWAY] * 50
        assert time.monotonic() - started_s < 5
        await is_in(link, "fallback")
        assert len(edge.opened_at_s) == 1 + 5


async def test_the_log_stays_quiet(servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    """In fallback a thousand operations write not one line; the announcement stands there once."""
    caplog.set_level(logging.INFO, logger="tenant_backend")
    async with Edge.to(servers.redis.port) as edge:
        edge.refuse = True
        async with linked(edge.port) as link:
            await is_in(link, "fallback")
            lines_before = len(caplog.records)
            for _ in range(1000):
                assert await link.ask("GET", "x") is AWAY
            assert len(caplog.records) == lines_before
    said = [record.getMessage() for record in caplog.records]
    assert said.count("redis_fallback") == 1
    assert said.count("redis_attempt_failed") == 5
