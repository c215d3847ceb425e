"""Certain statements are late, all else is not: commits on a slow disk, say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.live.chaos.chosen_hits import Chosen
from harness.live.chaos.faults.option import option
from harness.live.chaos.toxics import toxic
from harness.live.stack.edges import Toxic


@dataclass(kw_only=True)
class NetworkDelayStatement(Chosen):
    name: ClassVar[str] = "network.delay_statement"
    text = "Statements of one kind are held up on their way to Postgres, and what follows them"
    edge: str = "postgres"
    statement: str = option("COMMIT", "how the statement begins")
    latency_ms: int = option(500, "how long each is held", least=1, most=60_000)

    def toxics(self) -> tuple[Toxic, ...]:
        return (toxic("delay_statement", "upstream", statement=self.statement, latency=self.latency_ms),)


FAULT = NetworkDelayStatement
