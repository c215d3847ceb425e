"""The fault catalogue: one small file per fault, each exporting its class as `FAULT`. Adding a file adds a fault."""

from harness.live.chaos.faults.catalogue import catalogue, fault_named
from harness.live.chaos.faults.protocol import CannotInject, Fault, Ground

__all__ = ["CannotInject", "Fault", "Ground", "catalogue", "fault_named"]
