"""Redis is there and can't be reached: no refusal, no end, no answer."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.edge_kinds import Silent


@dataclass(kw_only=True)
class RedisBlackhole(Silent):
    name = "redis.blackhole"
    text = "What the backend sends to Redis disappears, and nothing comes back; connections stay open"
    edge: str = "redis"


FAULT = RedisBlackhole
