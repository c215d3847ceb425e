"""Postgres is not there for a while, and said so to every session."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.services import Stopped
from harness.live.stack import Service


@dataclass(kw_only=True)
class PostgresAway(Stopped):
    name = "postgres.away"
    text = "Postgres is stopped in order, ending every session; refused until it is healed"
    service = Service.POSTGRES


FAULT = PostgresAway
