"""What a worker's trailer counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Registrations by outcome, and operations; `planned` and `begun` are registrations too."""

    planned: int = 0
    begun: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    operations_planned: int | None = 0
    operations: int = 0
