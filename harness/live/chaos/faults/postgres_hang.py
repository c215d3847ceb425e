"""Postgres hangs: every session stays open and no answer comes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.services import Frozen
from harness.live.stack import Service


@dataclass(kw_only=True)
class PostgresHang(Frozen):
    name = "postgres.hang"
    text = "Every process of Postgres is frozen (SIGSTOP): connections stay open, nothing answers"
    service = Service.POSTGRES


FAULT = PostgresHang
