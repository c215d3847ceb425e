"""`slow_close`: the end of the stream comes late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.clock import NS_PER_MS
from harness.proxy.plane.items import NEXT, Ending, Pipe, until
from harness.proxy.toxics.base import Line, Toxic, whole


@dataclass(frozen=True, slots=True)
class SlowClose(Toxic):
    """`delay` in ms; data is left alone."""

    type: ClassVar[str] = "slow_close"

    delay: int = whole()

    def pipe(self, line: Line) -> Pipe:
        while True:
            item = yield NEXT
            if isinstance(item, Ending):
                line.hit()
                yield until(line.now_ns + self.delay * NS_PER_MS)
            line.send(item)  # type: ignore[arg-type]
