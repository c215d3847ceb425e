"""Redis is restarted in order: away for as long as a start takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import Ground
from harness.live.observe.redis import answers, session
from harness.live.stack import Capability, Service


@dataclass(kw_only=True)
class RedisRestart:
    """Seen by Redis telling another run id than before."""

    seen_by = "Redis tells another run id than before"
    name = "redis.restart"
    text = "Redis is stopped and started again at once; it comes back empty"
    service = Service.REDIS
    needs = frozenset({(Service.REDIS, Capability.STOP)})
    within_s: float = option(10.0, "how long it may take to end before it is killed", least=0.1, most=25)
    before: str = field(default="", init=False)

    async def inject(self, ground: Ground) -> None:
        self.before = await _run_id(ground)
        await ground.stack.stop_service(Service.REDIS, timeout_s=self.within_s)
        await ground.stack.start_service(Service.REDIS)

    async def seen(self, ground: Ground) -> bool:
        return await _run_id(ground) != self.before

    async def heal(self, ground: Ground) -> None:
        if not ground.stack.is_running(Service.REDIS):
            await ground.stack.start_service(Service.REDIS)

    async def healed(self, ground: Ground) -> bool:
        return await answers(ground.stack.redis)


async def _run_id(ground: Ground) -> str:
    async with session(ground.stack.redis) as client:
        return str((await client.info("server"))["run_id"])


FAULT = RedisRestart
