"""Redis is killed and, when healed, started again on the same address."""

from __future__ import annotations

from harness.live.observe.redis import answers
from harness.live.stack import Capability, Service, Stack


class RedisKill:
    """SIGKILL, no farewell: connections break, new ones are refused, keys that were not saved are gone."""

    name = "redis.kill"
    text = "Redis is killed (SIGKILL); it comes back empty on the same address"
    needs = frozenset({(Service.REDIS, Capability.KILL)})

    async def inject(self, stack: Stack) -> None:
        await stack.kill(Service.REDIS)

    async def seen(self, stack: Stack) -> bool:
        return not await answers(stack.redis)

    async def heal(self, stack: Stack) -> None:
        if not stack.is_running(Service.REDIS):
            await stack.start_service(Service.REDIS)

    async def healed(self, stack: Stack) -> bool:
        return await answers(stack.redis)


FAULT = RedisKill
