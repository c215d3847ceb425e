"""Redis is not there: nothing listens on its address. Meant for `from_start`, before the backend looks for it."""

from __future__ import annotations

from harness.live.chaos.faults.redis_kill import RedisKill
from harness.live.stack import Capability, Service, Stack

STOP_TIMEOUT_S = 5.0


class RedisAway(RedisKill):
    """Stopped in order; healed by starting it."""

    name = "redis.away"
    text = "Redis is stopped; connections are refused until it is healed"
    needs = frozenset({(Service.REDIS, Capability.STOP)})

    async def inject(self, stack: Stack) -> None:
        await stack.stop_service(Service.REDIS, timeout_s=STOP_TIMEOUT_S)


FAULT = RedisAway
