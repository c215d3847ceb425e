"""Postgres: every client connection (`pg_stat_activity`) and the exact session counters (`pg_stat_database`)."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg

from harness.clock import NS_PER_S
from harness.live.stack import Stack
from harness.record.schema import Counters, DatabaseCounters, Row, Server, ServerConnection

APPLICATION = "tenant-harness"
CONNECT_TIMEOUT_S = 2.0
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises when Postgres can't be asked; a wait that ran out is an `OSError` too. The last one is for a
session that the server ends between two messages."""
WITHOUT_A_WORD_OF_THE_DATABASE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""Those of them that tell of the server or of the way to it, and nothing of the database that was asked for."""

ACTIVITY = """
SELECT pid, coalesce(datname, '') AS database, coalesce(usename, '') AS user, application_name AS application,
       client_port, coalesce(state, '') AS state, coalesce(wait_event, '') AS wait_event,
       extract(epoch FROM clock_timestamp() - backend_start)::float8 AS open_s,
       extract(epoch FROM clock_timestamp() - coalesce(state_change, backend_start))::float8 AS unchanged_s
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND application_name <> $1
"""

SESSIONS = """
SELECT datname AS database, numbackends AS connected, sessions, sessions_abandoned AS abandoned,
       sessions_fatal AS fatal, sessions_killed AS killed, xact_commit AS commits, xact_rollback AS rollbacks
FROM pg_stat_database
WHERE datname IS NOT NULL AND datname NOT IN ('template0', 'template1')
"""


class PostgresSource:
    """Keeps one session on the maintenance database, so that it is in nobody's way (never on a template)."""

    name = "postgres"

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._session: asyncpg.Connection | None = None

    async def sample(self, at_ns: Callable[[], int], registrations_done: int) -> list[Row]:
        """One `Server` and one `Counters` row."""
        session = await self._connected()
        activity = await session.fetch(ACTIVITY, APPLICATION)
        now_ns = at_ns()
        counted = await session.fetch(SESSIONS)
        return [
            Server(at_ns=now_ns, connections=[_connection(row, now_ns) for row in activity]),
            Counters(at_ns=now_ns, databases=[DatabaseCounters(**dict(row)) for row in counted]),
        ]

    async def close(self) -> None:
        if self._session is not None:
            self._session.terminate()
            self._session = None

    async def _connected(self) -> asyncpg.Connection:
        if self._session is None or self._session.is_closed():
            self._session = await asyncpg.connect(
                self._stack.postgres.url("postgres"),
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=CONNECT_TIMEOUT_S,
                server_settings={"application_name": APPLICATION},
            )
        return self._session


def _connection(row: asyncpg.Record, now_ns: int) -> ServerConnection:
    return ServerConnection(
        pid=row["pid"],
        database=row["database"],
        user=row["user"],
        application=row["application"],
        client_port=row["client_port"],
        state=row["state"],
        opened_ns=now_ns - round(row["open_s"] * NS_PER_S),
        last_change_ns=now_ns - round(row["unchanged_s"] * NS_PER_S),
        wait_event=row["wait_event"],
    )
