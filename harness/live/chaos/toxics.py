"""Faults of an edge: toxics on the fault proxy between the backend and what it talks to."""

from __future__ import annotations

import itertools
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
class Poisoned:
    """Toxics on one edge, seen by a client that goes through it.

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
        return SERVICE_OF[EDGE_OF[self.edge]]

    @property
    def needs(self) -> frozenset[tuple[Service, Capability]]:
        return frozenset({(self.service, Capability.EDGE)})

    @property
    def patience_s(self) -> float:
        return TIMEOUT_S

    def toxics(self) -> tuple[Toxic, ...]:
        raise NotImplementedError

    def shows(self, found: Look) -> bool:
        """Whether what a client met is the fault's doing."""
        raise NotImplementedError

    async def inject(self, ground: Ground) -> None:
        for each in self.named():
            await ground.stack.edges.add_toxic(self._edge, each)

    async def seen(self, ground: Ground) -> bool:
        if len(await self._in_force(ground)) < len(self.named()):
            return False
        found = await self._looked(ground)
        return found is None or self.shows(found)

    async def heal(self, ground: Ground) -> None:
        for each in reversed(self.named()):
            await ground.stack.edges.remove_toxic(self._edge, each.name)

    async def healed(self, ground: Ground) -> bool:
        if await self._in_force(ground):
            return False
        found = await self._looked(ground)
        return found is None or found.what == "answered"

    async def _looked(self, ground: Ground) -> Look | None:
        address = await reachable(ground.stack, self._edge)
        if address is None:
            return None
        return await look(address, self.service, padding_bytes=self.padding_bytes, timeout_s=self.patience_s)

    @property
    def _edge(self) -> Edge:
        return EDGE_OF[self.edge]

    def named(self) -> list[Toxic]:
        """The toxics of this very occurrence."""
        return [replace(each, name=f"{self.name}-{self.number}-{each.stream}") for each in self.toxics()]

    async def _in_force(self, ground: Ground) -> set[str]:
        ours = {each.name for each in self.named()}
        return ours & {each.name for each in (await ground.stack.edges.state(self._edge)).toxics}
