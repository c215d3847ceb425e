"""How far the load has come: what the driver knows, and the conductor, the health checks and the dashboard ask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """The last `seconds`: requests of every step with an outcome, those not ok, p95 response time; and the workers."""

    seconds: float = 5.0
    requests: int = 0
    not_ok: int = 0
    p95_ms: float | None = None
    workers: int = 0
    workers_running: int = 0

    @property
    def rate_per_s(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Registrations so far. `planned` is null where a duration ends the load. `done` are those with an outcome."""

    planned: int | None
    started: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    operations: int = 0
    lag_max_ms: float = 0.0

    @property
    def done(self) -> int:
        return self.ok + self.failed + self.unknown
