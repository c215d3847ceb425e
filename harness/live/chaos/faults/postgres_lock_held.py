"""Somebody holds a lock: whoever touches the tables waits."""

from __future__ import annotations

from dataclasses import dataclass, field

import asyncpg

from harness.live.chaos.admin import opened, quoted, session
from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import CannotInject, Ground
from harness.live.stack import Capability, Service

TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"


@dataclass(kw_only=True)
class PostgresLockHeld:
    """A transaction that holds `ACCESS EXCLUSIVE` and does nothing. Seen by a reader that has to wait."""

    seen_by = "a reader of the table waits for the lock in vain"
    name = "postgres.lock_held"
    text = "A transaction holds ACCESS EXCLUSIVE locks on tables: whoever reads or writes them waits"
    service = Service.POSTGRES
    needs = frozenset({(Service.POSTGRES, Capability.POSTGRES_ADMIN)})
    database: str = option("", "where the tables are; without a name the control database")
    table: str = option("", "the table, with its schema where it is not public; without a name every table there")
    wait_ms: int = option(5000, "how long to wait for the locks", least=1, most=25_000)
    holder: asyncpg.Connection | None = field(default=None, init=False)
    locked: list[str] = field(default_factory=list, init=False)

    async def inject(self, ground: Ground) -> None:
        self.holder = await opened(ground.stack, self._in(ground), timeout_s=self.wait_ms / 1000 + 5)
        self.locked = [quoted(part) for part in [self.table] if part] or await _tables(self.holder)
        if not self.locked:
            raise CannotInject(f"database {self._in(ground)} has no table")
        await self.holder.execute(f"SET lock_timeout = {self.wait_ms}; BEGIN")
        await self.holder.execute(f"LOCK TABLE {', '.join(self.locked)} IN ACCESS EXCLUSIVE MODE")

    async def seen(self, ground: Ground) -> bool:
        return not await self._can_read(ground)

    async def heal(self, ground: Ground) -> None:
        """The locks go with their session."""
        if self.holder is not None:
            self.holder.terminate()

    async def healed(self, ground: Ground) -> bool:
        return await self._can_read(ground)

    def _in(self, ground: Ground) -> str:
        return self.database or ground.stack.postgres.control_database

    async def _can_read(self, ground: Ground) -> bool:
        if not self.locked:
            return True
        async with session(ground.stack, self._in(ground)) as connection:
            await connection.execute("SET lock_timeout = 200")
            try:
                await connection.fetch(f"SELECT 1 FROM {self.locked[0]} LIMIT 1")
            except asyncpg.LockNotAvailableError:
                return False
            return True


async def _tables(connection: asyncpg.Connection) -> list[str]:
    return [f"{quoted(row['schemaname'])}.{quoted(row['tablename'])}" for row in await connection.fetch(TABLES)]


FAULT = PostgresLockHeld
