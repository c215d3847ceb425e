"""All that Redis knows is gone, while every connection stays."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.faults.protocol import Ground
from harness.live.observe.redis import answers, session
from harness.live.stack import Capability, Service

MARKER = "harness:flush-marker"
MARKER_LIVES_S = 600


@dataclass(kw_only=True)
class RedisFlushall:
    """Seen by a key of our own being gone that was there before."""

    seen_by = "a key written right before is gone"
    name = "redis.flushall"
    text = "Every key is deleted (FLUSHALL): revoked tokens, cached values and rate limits are forgotten"
    service = Service.REDIS
    needs = frozenset({(Service.REDIS, Capability.REDIS_ADMIN)})

    async def inject(self, ground: Ground) -> None:
        async with session(ground.stack.redis) as client:
            await client.set(MARKER, "x", ex=MARKER_LIVES_S)
            await client.flushall()

    async def seen(self, ground: Ground) -> bool:
        async with session(ground.stack.redis) as client:
            return not await client.exists(MARKER)

    async def heal(self, ground: Ground) -> None:
        """What is forgotten stays forgotten."""

    async def healed(self, ground: Ground) -> bool:
        return await answers(ground.stack.redis)


FAULT = RedisFlushall
