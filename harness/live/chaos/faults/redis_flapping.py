"""Redis comes and goes: its edge is cut and mended over and over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import Ground
from harness.live.chaos.look import look, reachable
from harness.live.stack import Capability, Edge, Service


@dataclass(kw_only=True)
class RedisFlapping:
    """Away first. Seen by a client that is refused, healed when one is answered for longer than a flap lasts."""

    seen_by = "a client of the edge is turned away"
    name = "redis.flapping"
    text = "Redis' edge is cut (connections end, new ones are refused) and mended, over and over"
    service = Service.REDIS
    needs = frozenset({(Service.REDIS, Capability.EDGE)})
    down_s: float = option(0.5, "how long it is away each time", least=0.05, most=60)
    up_s: float = option(0.5, "how long it is there each time", least=0.05, most=60)
    flaps: bool = field(default=True, init=False)
    flapping: asyncio.Task[None] | None = field(default=None, init=False)

    async def inject(self, ground: Ground) -> None:
        await ground.stack.edges.disable(Edge.REDIS)
        self.flapping = asyncio.create_task(self._flap(ground))

    async def seen(self, ground: Ground) -> bool:
        return not await self._is_up(ground)

    async def heal(self, ground: Ground) -> None:
        # The flag besides: a call that swallows the cancellation must not go on to cut the edge.
        self.flaps = False
        if self.flapping is not None:
            self.flapping.cancel()
            await asyncio.wait([self.flapping])
        await ground.stack.edges.enable(Edge.REDIS)

    async def healed(self, ground: Ground) -> bool:
        return await self._is_up(ground)

    async def _flap(self, ground: Ground) -> None:
        while self.flaps:
            await asyncio.sleep(self.down_s)
            await ground.stack.edges.enable(Edge.REDIS)
            await asyncio.sleep(self.up_s)
            await ground.stack.edges.disable(Edge.REDIS)

    async def _is_up(self, ground: Ground) -> bool:
        address = await reachable(ground.stack, Edge.REDIS)
        if address is None:
            return (await ground.stack.edges.state(Edge.REDIS)).enabled
        return (await look(address, Service.REDIS)).what == "answered"


FAULT = RedisFlapping
