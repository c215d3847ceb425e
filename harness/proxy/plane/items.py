"""What flows through a chain of toxics, and what a toxic can wait for."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

Direction = Literal["upstream", "downstream"]
UPSTREAM: Direction = "upstream"
DOWNSTREAM: Direction = "downstream"


@dataclass(slots=True)
class Chunk:
    """Bytes that were read at once, and when."""

    data: bytes
    at_ns: int


class Ending(Enum):
    """The last item of a direction: its source ended it, or a toxic ends the whole connection."""

    HALF = "half"
    WHOLE = "whole"


Item = Chunk | Ending


class Signal(Enum):
    """Why a wait for a moment is over."""

    TIME_UP = "time up"
    INTERRUPTED = "interrupted"


Got = Item | Signal


@dataclass(frozen=True, slots=True)
class Wait:
    """What a toxic waits for: the next item, a moment, or whichever comes first. Without either it waits for good.

    A wait for a moment alone is told `INTERRUPTED` when the toxic is changed or removed: it then lets go of what it
    holds and asks for the next item.
    """

    item: bool
    until_ns: int | None = None


NEXT = Wait(item=True)
FOR_GOOD = Wait(item=False)

Pipe = Generator[Wait, Got, None]


def until(at_ns: int) -> Wait:
    return Wait(item=False, until_ns=at_ns)


class Timer(Protocol):
    def cancel(self) -> None: ...


def size_of(item: Item) -> int:
    return len(item.data) if isinstance(item, Chunk) else 0
