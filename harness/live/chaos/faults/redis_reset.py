"""Redis' connections break one after the other."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.edge_kinds import Reset


@dataclass(kw_only=True)
class RedisReset(Reset):
    name = "redis.reset"
    text = "Connections to Redis are reset (RST) when an answer comes"
    edge: str = "redis"


FAULT = RedisReset
