"""Faults of an edge: toxics on the fault proxy between the backend and what it talks to."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar

from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import Ground
from harness.live.chaos.look import EDGE_OF, SERVICE_OF, TIMEOUT_S, Look, look, reachable
from harness.live.stack import Capability, Edge, Service
from harness.live.stack.edges import Stream, Toxic

_numbers = itertools.count(1)


def toxic(kind: str, stream: Stream, **attributes: int | float | str) -> Toxic:
    """A toxic without a name; each occurrence gives it one of its own."""
    return Toxic(name="", type=kind, stream=stream, attributes=attributes)


def which_edge(default: str) -> str:
    """The option by which a fault of the network says where."""
    chosen: str = option(
        default, "whose connections: the backend's to Postgres or Redis, or its clients'", choices=[*EDGE_OF]
    )
    return chosen


@dataclass(kw_only=True)
class Poisoned(ABC):
    """Toxics on one edge. Healed when a client that goes through it is answered.

    Where the edge lies inside a network of containers no client can get in from here; there the proxy's own word is
    taken for the effect.
    """

    name: ClassVar[str] = ""
    # What a client that looks sends along, and how long it waits before it calls the edge silent.
    padding_bytes: ClassVar[int] = 0
    edge: str = ""
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def service(self) -> Service:
        return SERVICE_OF[self.on]

    @property
    def needs(self) -> frozenset[tuple[Service, Capability]]:
        return frozenset({(self.service, Capability.EDGE)})

    @property
    def on(self) -> Edge:
        return EDGE_OF[self.edge]

    @property
    def patience_s(self) -> float:
        return TIMEOUT_S

    @abstractmethod
    def toxics(self) -> tuple[Toxic, ...]:
        """What is put on the edge, without names."""

    def named(self) -> list[Toxic]:
        """The toxics of this very occurrence."""
        return [replace(each, name=f"{self.name}-{self.number}-{each.stream}") for each in self.toxics()]

    async def inject(self, ground: Ground) -> None:
        for each in self.named():
            await ground.stack.edges.add_toxic(self.on, each)

    async def heal(self, ground: Ground) -> None:
        for each in reversed(self.named()):
            await ground.stack.edges.remove_toxic(self.on, each.name)

    async def healed(self, ground: Ground) -> bool:
        if await self.in_force(ground):
            return False
        found = await self.looked(ground)
        return found is None or found.what == "answered"

    async def looked(self, ground: Ground) -> Look | None:
        """What a client of the edge meets; null where none can get in."""
        address = await reachable(ground.stack, self.on)
        if address is None:
            return None
        return await look(address, self.service, padding_bytes=self.padding_bytes, timeout_s=self.patience_s)

    async def in_force(self, ground: Ground) -> set[str]:
        """Names of this occurrence's toxics that the proxy has."""
        ours = {each.name for each in self.named()}
        return ours & {each.name for each in (await ground.stack.edges.state(self.on)).toxics}


@dataclass(kw_only=True)
class Felt(Poisoned):
    """Seen by what a client of the edge meets."""

    @abstractmethod
    def shows(self, found: Look) -> bool:
        """Whether that is the fault's doing."""

    async def seen(self, ground: Ground) -> bool:
        if len(await self.in_force(ground)) < len(self.named()):
            return False
        found = await self.looked(ground)
        return found is None or self.shows(found)
