"""The pool of Postgres connections, where the server ends them at the worst moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tenant_backend.postgres.pool import Pool, PostgresServer
from tenant_backend.problems import Problem

from tests.backend.world import Servers, World

# What asyncpg says when the server's last word comes after the statement was prepared and before it is executed.
BETWEEN = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")


@pytest.fixture
async def pool(servers: Servers, tmp_path: Path) -> AsyncIterator[Pool]:
    async with World.made(servers, tmp_path) as world:
        server = PostgresServer(url=servers.postgres_url(world.control), connect_timeout_s=5, statement_timeout_s=5)
        pool = server.pool(world.control, size_max=1)
        await pool.open()
        yield pool
        pool.terminate()


class EndedBetween:
    """Work whose session is ended between two of its messages, once or always; keeps the sessions it was given."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.sessions: list[int] = []

    async def __call__(self, connection: Any) -> int:
        self.sessions.append(connection.get_server_pid())
        if len(self.sessions) <= self.times:
            raise BETWEEN
        return int(await connection.fetchval("SELECT 1"))


async def test_work_is_done_again_on_another_session(pool: Pool) -> None:
    work = EndedBetween(times=1)
    assert await pool.run(work, repeatable=True) == 1
    assert len(set(work.sessions)) == 2


async def test_a_session_in_an_unknown_state_is_never_used_again(pool: Pool) -> None:
    """Nor is a stack trace all that the caller gets."""
    work = EndedBetween(times=1)
    with pytest.raises(Problem) as refused:
        await pool.run(work, repeatable=False)
    assert refused.value.status == 503
    assert await pool.run(work, repeatable=False) == 1
    assert len(set(work.sessions)) == 2
