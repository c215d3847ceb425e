"""`noop`: does nothing; part of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.proxy.toxics.base import Toxic


@dataclass(frozen=True, slots=True)
class Noop(Toxic):
    type: ClassVar[str] = "noop"
    acts_on_data: ClassVar[bool] = False
