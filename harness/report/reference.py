"""The figures that the Phase 1 report printed for its own run, to lay beside a run of the scenario `phase1`.

Its run: 20 registrations one after another, Redis away from the start, a local development machine, 30 December 2025.
They were measured on another machine and another backend, so they are shown, never judged.
"""

from __future__ import annotations

from dataclasses import dataclass

SCENARIO = "phase1"
DURATION_S = 280.80


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """One line of that report. `before` is what it says of the time before its fixes; `finding` is what this harness
    measures for it, empty where the page computes it from the record."""

    metric: str
    before: str
    reported: float
    unit: str = ""
    finding: str = ""


PHASE1 = (
    Reported(metric="Registrations acknowledged", before="crash after 5", reported=20, finding="registrations_ok"),
    Reported(metric="Registrations failed", before="", reported=0, finding="registrations_failed"),
    Reported(metric="Backend crashes", before="at the 5th registration", reported=0, finding="crashes"),
    Reported(metric="Health checks failed, of 4", before="none made", reported=0, finding="health_failed"),
    Reported(metric="Total duration", before="", reported=DURATION_S, unit="s"),
    Reported(metric="Average registration", before="", reported=14033, unit="ms", finding="register_avg_ms"),
    Reported(metric="Fastest registration", before="", reported=11997, unit="ms", finding="register_min_ms"),
    Reported(metric="Slowest registration", before="", reported=24193, unit="ms", finding="register_max_ms"),
    Reported(metric="Clients created", before="not counted", reported=20),
    Reported(metric="Clients cached", before="not counted", reported=20),
    Reported(metric="Clients closed", before="not counted", reported=0),
    Reported(metric="Clients evicted", before="not counted", reported=0),
    Reported(metric="Potential leaks", before="accumulating", reported=0, finding="leaks"),
    Reported(metric="Redis reconnection attempts", before="unlimited", reported=5, finding="redis_reconnects"),
)
