"""Every session is ended by an administrator's command, as a failover or a hasty operator does it."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.live.chaos.admin import postgres_answers, session
from harness.live.chaos.faults.protocol import CannotInject, Ground
from harness.live.observe.postgres import APPLICATION
from harness.live.stack import Capability, Service

OTHERS = (
    "SELECT pid, backend_start FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> $1"
)
TERMINATE = f"SELECT pg_terminate_backend(pid) FROM ({OTHERS}) AS others"


@dataclass(kw_only=True)
class PostgresSessionsTerminated:
    """Seen by none of the sessions being there any more."""

    seen_by = "none of the sessions is there any more"
    name = "postgres.sessions_terminated"
    text = "Every session of others is ended (pg_terminate_backend); new ones are welcome at once"
    service = Service.POSTGRES
    needs = frozenset({(Service.POSTGRES, Capability.POSTGRES_ADMIN)})
    ended: set[tuple[object, ...]] = field(default_factory=set, init=False)

    async def inject(self, ground: Ground) -> None:
        async with session(ground.stack) as connection:
            self.ended = {tuple(row) for row in await connection.fetch(OTHERS, APPLICATION)}
            if not self.ended:
                raise CannotInject("nobody has a session on this Postgres")
            await connection.execute(TERMINATE, APPLICATION)

    async def seen(self, ground: Ground) -> bool:
        async with session(ground.stack) as connection:
            return not self.ended & {tuple(row) for row in await connection.fetch(OTHERS, APPLICATION)}

    async def heal(self, ground: Ground) -> None:
        """There is nothing to undo."""

    async def healed(self, ground: Ground) -> bool:
        return await postgres_answers(ground.stack)


FAULT = PostgresSessionsTerminated
