"""Postgres crashes: the postmaster and all its processes at once."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.services import Killed
from harness.live.stack import Service


@dataclass(kw_only=True)
class PostgresCrash(Killed):
    name = "postgres.crash"
    text = "The whole of Postgres is killed (SIGKILL); healed by a start that recovers from its log"
    service = Service.POSTGRES


FAULT = PostgresCrash
