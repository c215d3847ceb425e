"""What a run stands on: Postgres, Redis, the fault proxy and the backend, whoever starts them.

`Stack` is the one contract; `embedded`, `docker` and `external` fulfil it, and the same end-to-end suite runs on each.
"""

from harness.live.stack.protocol import (
    Address,
    BackendCommand,
    Capability,
    Edge,
    EnvironmentTrouble,
    Limits,
    PostgresAccess,
    ProcessFigures,
    Service,
    Stack,
    StackFacts,
)

__all__ = [
    "Address",
    "BackendCommand",
    "Capability",
    "Edge",
    "EnvironmentTrouble",
    "Limits",
    "PostgresAccess",
    "ProcessFigures",
    "Service",
    "Stack",
    "StackFacts",
]
