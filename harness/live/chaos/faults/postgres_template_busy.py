"""Somebody sits on a template database, so that no database can be made from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import asyncpg

from harness.live.chaos.admin import opened, session
from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import Ground
from harness.live.stack import Capability, Service


@dataclass(kw_only=True)
class PostgresTemplateBusy:
    """Seen by Postgres counting a session on the template; whoever copies it waits five seconds and is refused."""

    seen_by = "Postgres counts the session on the template"
    name = "postgres.template_busy"
    text = "An idle session sits on a template database: CREATE DATABASE from it waits 5 s and is refused"
    service = Service.POSTGRES
    needs = frozenset({(Service.POSTGRES, Capability.POSTGRES_ADMIN)})
    template: str = option("template1", "the template's name")
    sitting: asyncpg.Connection | None = field(default=None, init=False)
    pid: int = field(default=0, init=False)

    async def inject(self, ground: Ground) -> None:
        self.sitting = await opened(ground.stack, self.template)
        self.pid = self.sitting.get_server_pid()

    async def seen(self, ground: Ground) -> bool:
        return await self._sits(ground)

    async def heal(self, ground: Ground) -> None:
        if self.sitting is not None:
            self.sitting.terminate()

    async def healed(self, ground: Ground) -> bool:
        return not await self._sits(ground)

    async def _sits(self, ground: Ground) -> bool:
        asked = "SELECT true FROM pg_stat_activity WHERE datname = $1 AND pid = $2"
        async with session(ground.stack) as connection:
            return bool(await connection.fetchval(asked, self.template, self.pid))


FAULT = PostgresTemplateBusy
