"""An edge that is cut without anybody being told."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.edge_kinds import Silent
from harness.live.chaos.toxics import which_edge


@dataclass(kw_only=True)
class NetworkPartition(Silent):
    name = "network.partition"
    text = "What is sent on the edge disappears, both ways; connections stay open"
    edge: str = which_edge("postgres")


FAULT = NetworkPartition
