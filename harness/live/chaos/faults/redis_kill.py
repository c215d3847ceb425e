"""Redis is killed and, when healed, started again on the same address."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.services import Killed
from harness.live.stack import Service


@dataclass(kw_only=True)
class RedisKill(Killed):
    name = "redis.kill"
    text = "Redis is killed (SIGKILL); it comes back empty on the same address"
    service = Service.REDIS


FAULT = RedisKill
