"""One tenant's database refuses connections while all others work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import asyncpg

from harness.live.chaos.admin import quoted, session
from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import CannotInject, Ground
from harness.live.chaos.undo import Remedy
from harness.live.stack import Capability, Service

DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"


@dataclass(kw_only=True)
class PostgresDatabaseRefused:
    """`ALTER DATABASE ... ALLOW_CONNECTIONS false`, and the sessions on it are ended: even superusers are refused."""

    seen_by = "a new session on that database is refused"
    name = "postgres.database_refused"
    text = "One tenant's database refuses every connection, and its open sessions are ended"
    service = Service.POSTGRES
    needs = frozenset({(Service.POSTGRES, Capability.POSTGRES_ADMIN)})
    database: str = option("", "the database's name; without one a tenant's is drawn from the seed")
    chosen: str = field(default="", init=False)

    async def inject(self, ground: Ground) -> None:
        async with session(ground.stack) as connection:
            self.chosen = self.database or await self._drawn(ground, connection)
            allow = f"ALTER DATABASE {quoted(self.chosen)} ALLOW_CONNECTIONS true"
            remedy = Remedy(postgres=ground.stack.postgres.url("postgres"), statements=(allow,))
            ground.undoing.note(Service.POSTGRES, self._what, remedy)
            await connection.execute(f"ALTER DATABASE {quoted(self.chosen)} ALLOW_CONNECTIONS false")
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", self.chosen
            )

    async def seen(self, ground: Ground) -> bool:
        return not await self._lets_in(ground)

    async def heal(self, ground: Ground) -> None:
        if self.chosen:
            async with session(ground.stack) as connection:
                # A tenant may be removed meanwhile, and its database with it.
                if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", self.chosen):
                    await connection.execute(f"ALTER DATABASE {quoted(self.chosen)} ALLOW_CONNECTIONS true")
            ground.undoing.done(self._what)

    async def healed(self, ground: Ground) -> bool:
        return await self._lets_in(ground)

    @property
    def _what(self) -> str:
        return f"{self.name} {self.chosen}"

    async def _lets_in(self, ground: Ground) -> bool:
        try:
            async with session(ground.stack, self.chosen) as connection:
                return bool(await connection.fetchval("SELECT true"))
        except asyncpg.ObjectNotInPrerequisiteStateError:
            return False
        except asyncpg.InvalidCatalogNameError:
            return True  # Removed, so that there is nothing left to be refused.

    async def _drawn(self, ground: Ground, connection: asyncpg.Connection) -> str:
        names = [str(row["datname"]) for row in await connection.fetch(DATABASES)]
        tenants = [name for name in names if re.search(ground.tenant_pattern, name)]
        if not tenants:
            raise CannotInject("there is no tenant's database yet; begin after some registrations")
        return ground.dice.choice(tenants)


FAULT = PostgresDatabaseRefused
