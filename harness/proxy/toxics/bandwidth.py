"""`bandwidth`: a limit on how much flows in a second."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

from harness.clock import NS_PER_MS
from harness.proxy.plane.items import FOR_GOOD, NEXT, Chunk, Got, Pipe, Signal, Wait, until
from harness.proxy.toxics.base import Line, Toxic, whole

SLICE_MS = 100


@dataclass(frozen=True, slots=True)
class Bandwidth(Toxic):
    """`rate` in KB/s (1 KB is 1000 bytes, so a byte a microsecond at rate 1000). Rate 0 stalls until it is changed."""

    type: ClassVar[str] = "bandwidth"

    rate: int = whole()

    def pipe(self, line: Line) -> Pipe:
        free_ns = 0
        while True:
            item = yield NEXT
            if isinstance(item, Chunk) and item.data:
                line.hit()
                free_ns = yield from self._paced(line, item, max(free_ns, line.now_ns))
            else:
                line.send(item)  # type: ignore[arg-type]

    def _paced(self, line: Line, chunk: Chunk, free_ns: int) -> Generator[Wait, Got, int]:
        """Send a chunk in slices of 100 ms; gives back when the line is free for the next."""
        if self.rate == 0:
            yield FOR_GOOD
            line.send(chunk)
            return line.now_ns
        rest = chunk.data
        while rest:
            part, rest = rest[: self.rate * SLICE_MS], rest[self.rate * SLICE_MS :]
            free_ns += len(part) * NS_PER_MS // self.rate
            if (yield until(free_ns)) is Signal.INTERRUPTED:
                part, rest = part + rest, b""
            line.send(Chunk(part, chunk.at_ns))
        return free_ns
