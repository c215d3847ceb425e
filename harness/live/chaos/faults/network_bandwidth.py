"""A narrow edge."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.edge_kinds import Narrow
from harness.live.chaos.toxics import which_edge


@dataclass(kw_only=True)
class NetworkBandwidth(Narrow):
    name = "network.bandwidth"
    text = "Little fits through the edge, both ways"
    edge: str = which_edge("postgres")


FAULT = NetworkBandwidth
