"""Redis is slow, as the backend sees it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.edge_kinds import Slow


@dataclass(kw_only=True)
class RedisSlow(Slow):
    name = "redis.slow"
    text = "Every answer of Redis to the backend is late"
    edge: str = "redis"


FAULT = RedisSlow
