"""The finders, in the order in which a report shows what they find. A new one is a file of its own and a line here."""

from __future__ import annotations

from harness.judge.api_contract import api_contract
from harness.judge.during import service_during_fault, slots_exhausted
from harness.judge.faults import faults
from harness.judge.generator import generator_lag
from harness.judge.history import history
from harness.judge.isolation import isolation
from harness.judge.latency import latency
from harness.judge.leaks import leaks
from harness.judge.ledgers import ledger_mismatch
from harness.judge.recovery import stale_pool, time_to_recover
from harness.judge.redis_contract import redis_contract
from harness.judge.registrations import registrations
from harness.judge.resources import resources
from harness.judge.service import crashes, health
from harness.judge.stalls import event_loop_blocked
from harness.judge.tokens import rate_limit, tokens
from harness.judge.unaccounted import unaccounted
from harness.judge.wellness import health_wrong

FINDERS = (
    registrations,
    crashes,
    health,
    health_wrong,
    event_loop_blocked,
    latency,
    leaks,
    ledger_mismatch,
    unaccounted,
    resources,
    slots_exhausted,
    history,
    redis_contract,
    service_during_fault,
    time_to_recover,
    stale_pool,
    isolation,
    tokens,
    rate_limit,
    api_contract,
    faults,
    generator_lag,
)
