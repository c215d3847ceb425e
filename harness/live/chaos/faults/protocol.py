"""What a fault is: a pair of inject and heal, each with a probe that looks from outside."""

from __future__ import annotations

from typing import Protocol

from harness.live.stack import Capability, Service, Stack


class Fault(Protocol):
    """One fault of the catalogue, one object for each occurrence.

    `seen` and `healed` look at the services, never at what `inject` and `heal` remember to have done. `heal` may be
    called after an `inject` that failed halfway, and twice.
    """

    name: str
    text: str
    needs: frozenset[tuple[Service, Capability]]

    async def inject(self, stack: Stack) -> None: ...

    async def seen(self, stack: Stack) -> bool: ...

    async def heal(self, stack: Stack) -> None: ...

    async def healed(self, stack: Stack) -> bool: ...
