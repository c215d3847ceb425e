"""A toxic as a proxy has it: named, on one direction, with what it counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.proxy.plane.items import Direction
from harness.proxy.toxics.base import Tally, Toxic


@dataclass(slots=True)
class LiveToxic:
    """`behaviour` and `toxicity` change with updates, nothing else does."""

    name: str
    direction: Direction
    behaviour: Toxic
    toxicity: float
    tally: Tally = field(default_factory=Tally)

    @property
    def acts_on_data(self) -> bool:
        return self.behaviour.acts_on_data
