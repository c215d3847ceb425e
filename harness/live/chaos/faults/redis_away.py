"""Redis is not there: nothing listens on its address. Meant for `from_start`, before the backend looks for it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.services import Stopped
from harness.live.stack import Service


@dataclass(kw_only=True)
class RedisAway(Stopped):
    name = "redis.away"
    text = "Redis is stopped; connections are refused until it is healed"
    service = Service.REDIS


FAULT = RedisAway
