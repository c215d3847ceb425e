"""One direction of an edge is dead: what is sent arrives, and its answer never does, or the reverse."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.faults.option import option
from harness.live.chaos.look import Look
from harness.live.chaos.toxics import Felt, toxic, which_edge
from harness.live.stack.edges import Stream, Toxic

STREAMS: dict[str, Stream] = {"answers": "downstream", "requests": "upstream"}


@dataclass(kw_only=True)
class NetworkHalfOpen(Felt):
    """With its answers lost, a statement has been done and its client can't know."""

    seen_by = "a client's question through the edge gets no answer for a second, and no end"
    name = "network.half_open"
    text = (
        "One direction of the edge is dead: requests arrive and are done, and their answers never come (or the reverse)"
    )
    edge: str = which_edge("postgres")
    lost: str = option("answers", "which direction is dead", choices=[*STREAMS])

    def toxics(self) -> tuple[Toxic, ...]:
        return (toxic("timeout", STREAMS[self.lost], timeout=0),)

    def shows(self, found: Look) -> bool:
        return found.what == "silent"


FAULT = NetworkHalfOpen
