"""Redis has no memory left: it answers reads and refuses writes."""

from __future__ import annotations

from dataclasses import dataclass, field

from redis.exceptions import OutOfMemoryError

from harness.live.chaos.faults.protocol import Ground
from harness.live.chaos.undo import Remedy
from harness.live.observe.redis import session
from harness.live.stack import Capability, Service

SETTINGS = {"maxmemory": "1", "maxmemory-policy": "noeviction"}
PROBE_KEY = "harness:memory-probe"
PROBE_LIVES_MS = 100


@dataclass(kw_only=True)
class RedisMemoryFull:
    """By `maxmemory` with `noeviction`; healed by what the two were before."""

    seen_by = "a write is refused: out of memory"
    name = "redis.memory_full"
    text = "Redis is at its memory limit and evicts nothing: reads are answered, writes refused (OOM)"
    service = Service.REDIS
    needs = frozenset({(Service.REDIS, Capability.REDIS_ADMIN)})
    before: dict[str, str] = field(default_factory=dict, init=False)

    async def inject(self, ground: Ground) -> None:
        async with session(ground.stack.redis) as client:
            for name in SETTINGS:
                self.before[name] = str((await client.config_get(name))[name])
            remedy = Remedy(redis=str(ground.stack.redis), settings=self.before)
            ground.undoing.note(Service.REDIS, self.name, remedy)
            for name, value in SETTINGS.items():
                await client.config_set(name, value)

    async def seen(self, ground: Ground) -> bool:
        return not await _takes_writes(ground)

    async def heal(self, ground: Ground) -> None:
        async with session(ground.stack.redis) as client:
            for name, value in self.before.items():
                await client.config_set(name, value)
        ground.undoing.done(self.name)

    async def healed(self, ground: Ground) -> bool:
        return await _takes_writes(ground)


async def _takes_writes(ground: Ground) -> bool:
    async with session(ground.stack.redis) as client:
        try:
            await client.set(PROBE_KEY, "x", px=PROBE_LIVES_MS)
        except OutOfMemoryError:
            return False
        return True


FAULT = RedisMemoryFull
