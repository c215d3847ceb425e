"""Redis hangs: every connection stays open and no answer comes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.services import Frozen
from harness.live.stack import Service


@dataclass(kw_only=True)
class RedisHang(Frozen):
    name = "redis.hang"
    text = "Redis is frozen (SIGSTOP): it accepts connections and answers nothing"
    service = Service.REDIS


FAULT = RedisHang
