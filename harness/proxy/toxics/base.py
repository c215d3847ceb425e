"""What a toxic is: attributes with limits, and a generator that treats what flows through it.

A type is one small file with one frozen dataclass. Its fields are its attributes, with their limits as metadata; its
`pipe` is started once for each connection (and again whenever the attributes change).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from harness.proxy.plane.items import NEXT, Direction, Item, Pipe

MAX_MS = 2**31 - 1
"""About 24 days; more would overflow where other implementations keep nanoseconds in 64 bits."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within limits."""

    least: int = 0
    most: int = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Text:
    """A text, one of `choices` where there are any."""

    choices: tuple[str, ...] = ()


def whole(least: int = 0, most: int = MAX_MS, default: int = 0) -> Any:
    return field(default=default, metadata={"limits": Whole(least, most)})


def text(default: str = "", choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"limits": Text(choices)})


@dataclass(slots=True)
class Tally:
    """What a toxic counts over all connections of its proxy; survives changes of its attributes."""

    count: int = 0


class Line(Protocol):
    """One direction of one connection, as a toxic on it sees it."""

    memory: Any
    """The toxic's own memory of this connection: what `new_memory` made, kept when attributes change."""

    @property
    def tally(self) -> Tally: ...

    @property
    def now_ns(self) -> int: ...

    @property
    def was_open(self) -> bool:
        """Whether the connection was open before the toxic came."""

    @property
    def compat(self) -> bool:
        """Whether to behave as the original does where that differs."""

    @property
    def dice(self) -> random.Random:
        """Draws that depend on seed, proxy, connection and toxic only."""

    def send(self, item: Item) -> None:
        """Pass on to the next toxic or the target."""

    def put_back(self, item: Item) -> None:
        """Return an item to the head of the queue: for when it has to be treated otherwise."""

    def reset(self) -> None:
        """End the connection at once with a RST to both ends."""

    def cut_client(self) -> None:
        """RST to the client at once, to the upstream once it has answered what was sent to it."""

    def hit(self) -> None:
        """Note in the ledger that the toxic acted on this connection."""


class Toxic:
    """Base of all types: passes everything on."""

    __slots__ = ()
    type: ClassVar[str]
    acts_on_data: ClassVar[bool] = True
    """Whether connections have to leave the fast path for it."""

    only: ClassVar[Direction | None] = None
    """The one direction that it works on, where it doesn't on both; then its default too."""

    room_bytes: ClassVar[int] = 256 * 1024
    """How much may wait on its account before the source is not read any more."""

    lets_go_on_change: ClassVar[bool] = False
    """Whether a change of attributes lets all that waits pass at once, not just what is being treated."""

    def mistakes(self) -> list[str]:
        """What is wrong between attributes, each within its own limits."""
        return []

    def new_memory(self, *, at_start: bool) -> Any:
        """`at_start`: nothing has passed on this connection in this direction yet."""
        return None

    def pipe(self, line: Line) -> Pipe:
        while True:
            line.send((yield NEXT))  # type: ignore[arg-type]  # a wait for an item alone yields nothing else

    def leave(self, line: Line) -> None:
        """Called when the toxic is removed from a connection, after it was interrupted."""

    def refuses(self, tally: Tally) -> bool:
        """Whether a new connection is refused; asked once for each that the toxic applies to."""
        return False
