"""One server process of Postgres is killed: the postmaster ends all others too and recovers from the log."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

import asyncpg

from harness.live.chaos.admin import opened, postgres_answers, session
from harness.live.chaos.faults.protocol import Ground
from harness.live.stack import Capability, Service


@dataclass(kw_only=True)
class PostgresBackendCrash:
    """Seen by a bystander: a session that was not the one killed, and has ended all the same."""

    seen_by = "a bystander's session, not the one killed, has ended"
    name = "postgres.backend_crash"
    text = "One server process is killed (SIGKILL); Postgres ends every other session and recovers by itself"
    service = Service.POSTGRES
    needs = frozenset({(Service.POSTGRES, Capability.SIGNAL_POSTGRES_BACKEND)})
    bystander: asyncpg.Connection | None = field(default=None, init=False)

    async def inject(self, ground: Ground) -> None:
        self.bystander = await opened(ground.stack)
        async with session(ground.stack) as victim:
            pid = await victim.fetchval("SELECT pg_backend_pid()")
            await ground.stack.signal_postgres_backend(pid, signal.SIGKILL)

    async def seen(self, ground: Ground) -> bool:
        return self.bystander is not None and self.bystander.is_closed()

    async def heal(self, ground: Ground) -> None:
        """Postgres does that by itself."""
        if self.bystander is not None:
            self.bystander.terminate()

    async def healed(self, ground: Ground) -> bool:
        return await postgres_answers(ground.stack)


FAULT = PostgresBackendCrash
