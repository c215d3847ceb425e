"""`timeout`: nothing arrives any more, and the connection is closed after a while or never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.clock import NS_PER_MS
from harness.proxy.plane.items import Chunk, Ending, Pipe, Wait
from harness.proxy.toxics.base import Line, Toxic, whole


@dataclass(frozen=True, slots=True)
class Timeout(Toxic):
    """Discards data; after `timeout` ms of silence it closes, 0 never does. Removal closes too: data is missing."""

    type: ClassVar[str] = "timeout"

    timeout: int = whole()

    def pipe(self, line: Line) -> Pipe:
        while True:
            until_ns = line.now_ns + self.timeout * NS_PER_MS if self.timeout else None
            item = yield Wait(item=True, until_ns=until_ns)
            line.hit()
            if not isinstance(item, Chunk):
                line.send(item if isinstance(item, Ending) else Ending.WHOLE)

    def leave(self, line: Line) -> None:
        line.send(Ending.WHOLE)
