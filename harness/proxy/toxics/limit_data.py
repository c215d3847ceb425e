"""`limit_data`: so many bytes, then the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.proxy.plane.items import NEXT, Chunk, Ending, Pipe
from harness.proxy.toxics.base import Line, Tally, Toxic, whole


@dataclass(frozen=True, slots=True)
class LimitData(Toxic):
    """Lets `bytes` through on each connection, then closes it. The count goes on when the limit is changed."""

    type: ClassVar[str] = "limit_data"

    bytes: int = whole(most=2**63 - 1)

    def new_memory(self, *, at_start: bool) -> Tally:
        return Tally()

    def pipe(self, line: Line) -> Pipe:
        while True:
            item = yield NEXT
            if not isinstance(item, Chunk):
                line.send(item)  # type: ignore[arg-type]
                continue
            passed = item.data[: max(0, self.bytes - line.memory.count)]
            line.memory.count += len(passed)
            line.send(Chunk(passed, item.at_ns))
            if line.memory.count >= self.bytes:
                line.hit()
                line.send(Ending.WHOLE)
