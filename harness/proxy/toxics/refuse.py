"""`refuse`: new connections fail while old ones live. An extension of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.proxy.toxics.base import Tally, Toxic, whole


@dataclass(frozen=True, slots=True)
class Refuse(Toxic):
    """Accepts and resets the `first` connections after it came, and every `every`-th; `every` 1 refuses all."""

    type: ClassVar[str] = "refuse"
    acts_on_data: ClassVar[bool] = False

    first: int = whole()
    every: int = whole()

    def mistakes(self) -> list[str]:
        return [] if self.first or self.every else ["first, every: both 0, at least one must be 1 or more"]

    def refuses(self, tally: Tally) -> bool:
        tally.count += 1
        return tally.count <= self.first or (self.every > 0 and tally.count % self.every == 0)
