"""An edge that breaks connections."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.edge_kinds import Reset
from harness.live.chaos.toxics import which_edge


@dataclass(kw_only=True)
class NetworkReset(Reset):
    name = "network.reset"
    text = "Connections on the edge are reset (RST) when an answer comes"
    edge: str = which_edge("postgres")


FAULT = NetworkReset
