"""Faults that hit chosen connections or statements only; they need the built-in proxy.

Looking as a client would use up what they count, so they are seen by the proxy's ledger of whom they hit.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.faults.protocol import Ground
from harness.live.chaos.toxics import Poisoned
from harness.live.stack import Capability, Service


@dataclass(kw_only=True)
class Chosen(Poisoned):
    """Seen once it has hit somebody; until then it lies in wait."""

    seen_by = "the proxy's ledger names it at a connection that it hit"

    @property
    def needs(self) -> frozenset[tuple[Service, Capability]]:
        return frozenset({(self.service, Capability.EDGE), (Service.PROXY, Capability.PROXY_EXTENSIONS)})

    async def seen(self, ground: Ground) -> bool:
        return any([await ground.wire.touched(ground.stack, self.on, each.name) for each in self.named()])
