"""New connections fail while old ones live, as when the slots are used up somewhere on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.live.chaos.chosen_hits import Chosen
from harness.live.chaos.faults.option import option
from harness.live.chaos.toxics import toxic, which_edge
from harness.live.stack.edges import Toxic


@dataclass(kw_only=True)
class NetworkRefuse(Chosen):
    name: ClassVar[str] = "network.refuse"
    text = "New connections on the edge are accepted and reset; open ones go on"
    edge: str = which_edge("postgres")
    first: int = option(0, "the first so many fail", least=0, most=1_000_000)
    every: int = option(1, "every k-th fails; 1: all, 0: only the first ones", least=0, most=1_000_000)

    def toxics(self) -> tuple[Toxic, ...]:
        return (toxic("refuse", "upstream", first=self.first, every=self.every),)


FAULT = NetworkRefuse
