"""An edge far away."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.edge_kinds import Slow
from harness.live.chaos.toxics import which_edge


@dataclass(kw_only=True)
class NetworkLatency(Slow):
    name = "network.latency"
    text = "Every answer on the edge is late, by a latency with jitter"
    edge: str = which_edge("postgres")


FAULT = NetworkLatency
