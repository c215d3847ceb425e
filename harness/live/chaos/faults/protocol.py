"""What a fault is: a pair of inject and heal, each with a probe that looks from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, Protocol

from harness.live.chaos.undo import Undoing
from harness.live.chaos.wire import Wire
from harness.live.stack import Capability, Service, Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a fault acts on: the stack, how tenants' databases are named, dice of its own, where to note what a
    killed run would leave broken, and what the proxy's ledger tells from here on."""

    stack: Stack
    tenant_pattern: str
    dice: Random
    undoing: Undoing
    wire: Wire = field(default_factory=lambda: Wire(None))


class CannotInject(Exception):
    """There is nothing to break yet, or the service refused; the message says what."""


class Fault(Protocol):
    """One fault of the catalogue, one object for each occurrence; its parameters are fields made by `option`.

    `seen` and `healed` look at the services, never at what `inject` and `heal` remember to have done, and answer for
    this moment: the conductor asks again until its time is up. `heal` may be called after an `inject` that failed
    halfway, and twice. `service` is the one that can't be expected to work meanwhile.
    """

    name: ClassVar[str]
    text: ClassVar[str]
    seen_by: ClassVar[str]
    needs: ClassVar[frozenset[tuple[Service, Capability]]]

    @property
    def service(self) -> Service: ...

    async def inject(self, ground: Ground) -> None: ...

    async def seen(self, ground: Ground) -> bool: ...

    async def heal(self, ground: Ground) -> None: ...

    async def healed(self, ground: Ground) -> bool: ...
