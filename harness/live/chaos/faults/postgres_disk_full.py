"""Postgres has no room for temporary files: what does not fit into memory fails."""

from __future__ import annotations

from dataclasses import dataclass, field

import asyncpg

from harness.live.chaos.admin import opened, session
from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import Ground
from harness.live.chaos.undo import Remedy
from harness.live.stack import Capability, Service

RESET = ("ALTER SYSTEM RESET temp_file_limit", "ALTER SYSTEM RESET work_mem", "SELECT pg_reload_conf()")
SPILLS = "SELECT count(*) FROM (SELECT n FROM generate_series(1, 20000) AS n ORDER BY md5(n::text)) AS sorted"


@dataclass(kw_only=True)
class PostgresDiskFull:
    """By `temp_file_limit`, which works on every Postgres and endangers nobody's disk; tables still grow."""

    seen_by = "a large sort fails for want of room"
    name = "postgres.disk_full"
    text = "No room for temporary files, and little memory to sort in: statements that spill to disk fail"
    service = Service.POSTGRES
    needs = frozenset({(Service.POSTGRES, Capability.POSTGRES_ADMIN)})
    room_kb: int = option(0, "room for temporary files of each session", least=0, most=600)
    work_mem_kb: int = option(64, "memory for each sort before it spills", least=64, most=1024)
    touched: bool = field(default=False, init=False)

    async def inject(self, ground: Ground) -> None:
        remedy = Remedy(postgres=ground.stack.postgres.url("postgres"), statements=RESET)
        ground.undoing.note(Service.POSTGRES, self.name, remedy)
        self.touched = True
        async with session(ground.stack) as connection:
            await connection.execute(f"ALTER SYSTEM SET temp_file_limit = '{self.room_kb}kB'")
            await connection.execute(f"ALTER SYSTEM SET work_mem = '{self.work_mem_kb}kB'")
            await connection.execute("SELECT pg_reload_conf()")

    async def seen(self, ground: Ground) -> bool:
        return not await _can_spill(ground)

    async def heal(self, ground: Ground) -> None:
        if self.touched:
            async with session(ground.stack) as connection:
                for statement in RESET:
                    await connection.execute(statement)
            ground.undoing.done(self.name)

    async def healed(self, ground: Ground) -> bool:
        return await _can_spill(ground)


async def _can_spill(ground: Ground) -> bool:
    connection = await opened(ground.stack)
    try:
        await connection.fetchval(SPILLS)
    except asyncpg.ConfigurationLimitExceededError:
        return False
    finally:
        connection.terminate()
    return True


FAULT = PostgresDiskFull
