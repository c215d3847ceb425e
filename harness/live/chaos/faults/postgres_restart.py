"""Postgres is restarted in order: every session ends with a message, and it is away for as long as a start takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from harness.live.chaos.admin import postgres_answers, session
from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import Ground
from harness.live.stack import Capability, Service


@dataclass(kw_only=True)
class PostgresRestart:
    """Seen by Postgres telling a later start than before."""

    seen_by = "Postgres tells a later start than before"
    name = "postgres.restart"
    text = "Postgres is stopped, ending every session, and started again at once"
    service = Service.POSTGRES
    needs = frozenset({(Service.POSTGRES, Capability.STOP)})
    within_s: float = option(10.0, "how long it may take to end before it is killed", least=0.1, most=25)
    before: datetime | None = field(default=None, init=False)

    async def inject(self, ground: Ground) -> None:
        self.before = await _started_at(ground)
        await ground.stack.stop_service(Service.POSTGRES, timeout_s=self.within_s)
        await ground.stack.start_service(Service.POSTGRES)

    async def seen(self, ground: Ground) -> bool:
        return self.before is not None and await _started_at(ground) > self.before

    async def heal(self, ground: Ground) -> None:
        if not ground.stack.is_running(Service.POSTGRES):
            await ground.stack.start_service(Service.POSTGRES)

    async def healed(self, ground: Ground) -> bool:
        return await postgres_answers(ground.stack)


async def _started_at(ground: Ground) -> datetime:
    async with session(ground.stack) as connection:
        started: datetime = await connection.fetchval("SELECT pg_postmaster_start_time()")
        return started


FAULT = PostgresRestart
