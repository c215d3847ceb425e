"""A connection dies at a certain statement: before Postgres sees it, or after it was done and before anybody hears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.live.chaos.chosen_hits import Chosen
from harness.live.chaos.faults.option import option
from harness.live.chaos.toxics import toxic
from harness.live.stack.edges import Toxic


@dataclass(kw_only=True)
class NetworkCutStatement(Chosen):
    """Statements are counted over all connections, from the injection on."""

    name: ClassVar[str] = "network.cut_statement"
    text = "The backend's connection to Postgres is reset at a chosen statement"
    edge: str = "postgres"
    statement: str = option("CREATE DATABASE", "how the statement begins")
    after: int = option(1, "the how-manieth such statement is the first to be cut", least=1, most=1_000_000)
    times: int = option(1, "how many are cut in a row; 0: all that follow", least=0, most=1_000_000)
    when: str = option(
        "after", "whether Postgres still executes it (after) or never sees it", choices=["before", "after"]
    )

    def toxics(self) -> tuple[Toxic, ...]:
        return (
            toxic(
                "cut_statement",
                "upstream",
                statement=self.statement,
                after=self.after,
                times=self.times,
                when=self.when,
            ),
        )


FAULT = NetworkCutStatement
