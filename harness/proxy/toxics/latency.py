"""`latency`: delays what flows, without slowing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.clock import NS_PER_MS
from harness.proxy.plane.items import NEXT, Chunk, Pipe, until
from harness.proxy.toxics.base import Line, Toxic, whole


@dataclass(frozen=True, slots=True)
class Latency(Toxic):
    """`latency` plus or minus up to `jitter`, in ms, counted from when a chunk was read."""

    type: ClassVar[str] = "latency"
    room_bytes: ClassVar[int] = 4 * 1024 * 1024
    lets_go_on_change: ClassVar[bool] = True

    latency: int = whole()
    jitter: int = whole()

    def pipe(self, line: Line) -> Pipe:
        while True:
            item = yield NEXT
            if isinstance(item, Chunk):
                line.hit()
                at_ns = item.at_ns + self._delay_ns(line)
                if at_ns > line.now_ns:
                    yield until(at_ns)
                    item.at_ns = min(at_ns, line.now_ns)  # the next toxic counts from when it got the chunk
            line.send(item)  # type: ignore[arg-type]

    def _delay_ns(self, line: Line) -> int:
        if not self.jitter:
            return self.latency * NS_PER_MS
        return (self.latency + line.dice.randrange(-self.jitter, self.jitter)) * NS_PER_MS
