"""Every connection slot of Postgres is taken, those reserved for superusers too."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import asyncpg

from harness.live.chaos.admin import opened
from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import Ground
from harness.live.observe.postgres import AWAY
from harness.live.stack import Capability, Service

AT_ONCE = 16
REFILL_S = 0.05


@dataclass(kw_only=True)
class PostgresConnectionsExhausted:
    """Holds idle sessions until Postgres refuses one, and takes every slot that others give back meanwhile.

    Sessions that are open already go on; whoever needs a new one is refused.
    """

    seen_by = "a new session is refused: too many clients"
    name = "postgres.connections_exhausted"
    text = "Idle sessions take every free connection slot; open sessions go on, new ones are refused"
    service = Service.POSTGRES
    needs = frozenset({(Service.POSTGRES, Capability.POSTGRES_ADMIN)})
    leave: int = option(0, "slots left free", least=0, most=10_000)
    held: list[asyncpg.Connection] = field(default_factory=list, init=False)
    keeps: bool = field(default=True, init=False)
    filling: asyncio.Task[None] | None = field(default=None, init=False)

    async def inject(self, ground: Ground) -> None:
        while await self._fill(ground, AT_ONCE):
            pass
        for _ in range(min(self.leave, len(self.held))):
            self.held.pop().terminate()
        if not self.leave:
            self.filling = asyncio.create_task(self._keep_full(ground))

    async def seen(self, ground: Ground) -> bool:
        """One session more than were left free is refused."""
        probes = await asyncio.gather(*(opened(ground.stack) for _ in range(self.leave + 1)), return_exceptions=True)
        for probe in probes:
            if isinstance(probe, asyncpg.Connection):
                probe.terminate()
        return any(isinstance(probe, asyncpg.TooManyConnectionsError) for probe in probes)

    async def heal(self, ground: Ground) -> None:
        # The flag besides: a driver that swallows the cancellation must not keep the slots taken.
        self.keeps = False
        if self.filling is not None:
            self.filling.cancel()
            await asyncio.wait([self.filling])
        while self.held:
            self.held.pop().terminate()

    async def healed(self, ground: Ground) -> bool:
        (await opened(ground.stack)).terminate()
        return True

    async def _fill(self, ground: Ground, count: int) -> bool:
        """Take that many slots; false once Postgres refuses one."""
        tried = await asyncio.gather(*(opened(ground.stack) for _ in range(count)), return_exceptions=True)
        self.held += [each for each in tried if isinstance(each, asyncpg.Connection)]
        for each in tried:
            if isinstance(each, BaseException) and not isinstance(each, asyncpg.TooManyConnectionsError):
                raise each
        return not any(isinstance(each, BaseException) for each in tried)

    async def _keep_full(self, ground: Ground) -> None:
        while self.keeps:
            try:
                full = not await self._fill(ground, 1)
            except AWAY:
                full = True  # Postgres is away for another reason, and may come back with every slot free.
            if full:
                await asyncio.sleep(REFILL_S)


FAULT = PostgresConnectionsExhausted
