"""`reset_peer`: both ends get a RST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.clock import NS_PER_MS
from harness.proxy.plane.items import Chunk, Ending, Pipe, Signal, Wait, until
from harness.proxy.toxics.base import Line, Toxic, whole

SILENCE_MS = 1000
"""How long a connection opened under the toxic may stay silent: time for a client to send its first request."""


@dataclass(frozen=True, slots=True)
class ResetPeer(Toxic):
    """`timeout` ms after the first data or end in its direction; that data is held and never arrives.

    Idle connections are reset too: those that were open `timeout` ms after the toxic came, new ones that stay silent
    after a second at the earliest. Removed in time, the toxic lets go of what it held, and nothing is lost.
    """

    type: ClassVar[str] = "reset_peer"

    timeout: int = whole()

    def pipe(self, line: Line) -> Pipe:
        while True:
            item = yield Wait(item=True, until_ns=self._idle_until_ns(line))
            if isinstance(item, Chunk | Ending):
                waited = yield until(line.now_ns + self.timeout * NS_PER_MS)
                if waited is Signal.INTERRUPTED:
                    line.put_back(item)
                    continue
            line.hit()
            line.reset()
            return

    def _idle_until_ns(self, line: Line) -> int | None:
        if line.compat:
            return None
        silence_ms = self.timeout if line.was_open else max(self.timeout, SILENCE_MS)
        return line.now_ns + silence_ms * NS_PER_MS
