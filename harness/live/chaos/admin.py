"""Sessions of our own on Postgres and Redis, by which faults act and look. Observers leave them out of every count."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from harness.live.observe.postgres import APPLICATION, AWAY
from harness.live.stack import Stack

MAINTENANCE = "postgres"
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 10.0


async def opened(
    stack: Stack, database: str = MAINTENANCE, *, timeout_s: float = CONNECT_TIMEOUT_S
) -> asyncpg.Connection:
    """A session that its owner ends. Raises what asyncpg raises."""
    return await asyncpg.connect(
        stack.postgres.url(database),
        timeout=timeout_s,
        command_timeout=max(timeout_s, COMMAND_TIMEOUT_S),
        server_settings={"application_name": APPLICATION},
    )


@asynccontextmanager
async def session(
    stack: Stack, database: str = MAINTENANCE, *, timeout_s: float = CONNECT_TIMEOUT_S
) -> AsyncIterator[asyncpg.Connection]:
    """A session for one question; the maintenance database is in nobody's way."""
    connection = await opened(stack, database, timeout_s=timeout_s)
    try:
        yield connection
    finally:
        connection.terminate()


async def postgres_answers(stack: Stack, *, timeout_s: float = 1.0) -> bool:
    """Whether a new session gets an answer within `timeout_s`."""
    try:
        async with session(stack, timeout_s=timeout_s) as connection:
            return bool(await connection.fetchval("SELECT true", timeout=timeout_s))
    except AWAY:
        return False


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
