"""The types of toxics: one small file each. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from harness.proxy.toxics.bandwidth import Bandwidth
from harness.proxy.toxics.base import Toxic
from harness.proxy.toxics.cut_statement import CutStatement
from harness.proxy.toxics.delay_statement import DelayStatement
from harness.proxy.toxics.latency import Latency
from harness.proxy.toxics.limit_data import LimitData
from harness.proxy.toxics.noop import Noop
from harness.proxy.toxics.refuse import Refuse
from harness.proxy.toxics.reset_peer import ResetPeer
from harness.proxy.toxics.slicer import Slicer
from harness.proxy.toxics.slow_close import SlowClose
from harness.proxy.toxics.timeout import Timeout

CONTRACT: tuple[type[Toxic], ...] = (Latency, Bandwidth, SlowClose, Timeout, ResetPeer, Slicer, LimitData, Noop)
EXTENSIONS: tuple[type[Toxic], ...] = (Refuse, CutStatement, DelayStatement)
TYPES: Mapping[str, type[Toxic]] = {kind.type: kind for kind in CONTRACT + EXTENSIONS}

__all__ = ["CONTRACT", "EXTENSIONS", "TYPES", "Toxic"]
