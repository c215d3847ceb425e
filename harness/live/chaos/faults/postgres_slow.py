"""Postgres is slow, as the backend sees it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.edge_kinds import Slow


@dataclass(kw_only=True)
class PostgresSlow(Slow):
    name = "postgres.slow"
    text = "Every answer of Postgres to the backend is late"
    edge: str = "postgres"


FAULT = PostgresSlow
