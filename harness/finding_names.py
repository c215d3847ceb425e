"""The names of all findings, so that a gate on one that nobody makes is told before a run and not after it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

FINDINGS = (
    "leaks",
    "leaks_worst",
    "ledger_mismatch",
    "cache_over_limit",
    "unaccounted_connections",
    "connection_growth_per_registration",
    "connections_settle_s",
    "redis_clients_growth",
    "descriptor_growth",
    "thread_growth",
    "memory_growth",
    "redis_keys_growth",
    "role_growth",
    "registrations_ok",
    "registrations_failed",
    "registrations_unknown",
    "registrations_not_started",
    "registrations_unaccounted",
    "lost",
    "orphans",
    "ghosts",
    "duplicates",
    "recovered",
    "corrupted",
    "own_data_wrong",
    "crashes",
    "health_failed",
    "health_wrong",
    "event_loop_blocked",
    "isolation_breaches",
    "token_breaches",
    "rate_limit_bypass",
    "redis_reconnects",
    "redis_backoff",
    "redis_announcements",
    "log_spam",
    "redis_fallback",
    "service_during_fault",
    "stale_pool",
    "time_to_recover",
    "slots_exhausted",
    "api_contract",
    "error_details",
    "generator_lag",
    "faults_unseen",
    "faults_unhealed",
)
LATENCY = re.compile(r"(?P<step>.+?)(_service|_failed)*_(avg|min|max|p50|p95|p99)_ms")


def trouble(name: str, steps: Iterable[str]) -> str:
    """What to write instead of a name that no finding has; empty where one has it. `steps` are the target's."""
    latency = LATENCY.fullmatch(name)
    known = list(steps)
    if name in FINDINGS or (latency and latency["step"] in known):
        return ""
    if latency:
        return f"no step '{latency['step']}'; known: {', '.join(known)}"
    near = difflib.get_close_matches(name, FINDINGS, n=1)
    return f"did you mean '{near[0]}'?" if near else "docs/findings.md lists them"
