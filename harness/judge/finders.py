"""The finders, in the order in which a report shows what they find. A new one is a file of its own and a line here."""

from __future__ import annotations

from harness.judge.api_contract import api_contract
from harness.judge.faults import faults
from harness.judge.generator import generator_lag
from harness.judge.history import history
from harness.judge.isolation import isolation
from harness.judge.latency import latency
from harness.judge.leaks import leaks
from harness.judge.ledgers import ledger_mismatch
from harness.judge.registrations import registrations
from harness.judge.service import crashes, health
from harness.judge.tokens import rate_limit, tokens
from harness.judge.unaccounted import unaccounted

FINDERS = (
    registrations,
    crashes,
    health,
    latency,
    leaks,
    ledger_mismatch,
    unaccounted,
    history,
    isolation,
    tokens,
    rate_limit,
    api_contract,
    faults,
    generator_lag,
)
