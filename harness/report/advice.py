"""What to look at first when a finding is not as it should be: one sentence a finding, for the recommendations."""

from __future__ import annotations

from harness.gate import Ruling
from harness.judge.model import Verdict

ADVICE = {
    "leaks": "Follow one leaked client from its opening: whoever drops it from the cache must close it.",
    "ledger_mismatch": "Make the statistics count where a connection really opens and closes, unclamped.",
    "cache_over_limit": "Reserve the place in the cache before awaiting the connection: misses then can't overflow it.",
    "unaccounted_connections": "Look for connections that nothing in the backend holds: a timed-out "
    "disconnect, a client that lost a race, a pool counted as one.",
    "connection_growth_per_registration": "Connections grow with tenants: bound the cache, or the pool of each client.",
    "memory_growth": "Memory grows with registrations: look at what is kept for each tenant.",
    "descriptor_growth": "Descriptors grow with registrations: something is opened and not closed.",
    "thread_growth": "Threads grow with registrations: give the work a bounded pool.",
    "registrations_failed": "Read the errors of failed registrations; each should be one that a caller can act on.",
    "registrations_unknown": "Registrations were cut off: make them safe to send again, with an idempotency key.",
    "registrations_unaccounted": "Registrations vanished: compare the load worker's intents with its requests.",
    "lost": "A registration was acknowledged before it was durable: acknowledge after the last commit.",
    "orphans": "Undo all steps of a registration when one fails, and sweep what a killed process leaves.",
    "duplicates": "Let a unique index decide whether an e-mail is taken, not a read before the write.",
    "crashes": "The backend died: read the end of logs/backend.log and guard that path.",
    "health_wrong": "Let the health endpoint ask its dependencies, within a bound.",
    "event_loop_blocked": "Move blocking work (migrations, hashing) off the event loop.",
    "isolation_breaches": "Take the tenant from the token alone, on every route.",
    "token_breaches": "Decide what a revoked token may do while Redis is away, and hold to it.",
    "redis_reconnects": "Count attempts where they are made, from one; the limit includes the last one.",
    "redis_backoff": "Wait between attempts as promised, and longer each time.",
    "redis_announcements": "Announce the fallback once.",
    "log_spam": "Log a state once when it begins, not at every operation.",
    "redis_fallback": "Leave and enter fallback by the connection's own state, not by one failed operation.",
    "stale_pool": "Test a pooled connection before use after a failure, and replace dead ones.",
    "slots_exhausted": "Bound the registrations in flight below the server's max_connections.",
    "time_to_recover": "See what waits after healing: a reconnect timer, a stale pool, a circuit that stays open.",
    "error_details": "Answer errors with a code of your own; names of databases and hosts belong in the log.",
    "api_contract": "Put tenantId at the top level of every answer and no tenant id into paths.",
    "generator_lag": "The load could not be sent on time: use more load processes, a lower rate or a bigger machine.",
    "faults_unseen": "A fault was not seen to take effect: check that the edge goes through the proxy.",
}


def recommendations(verdict: Verdict) -> list[str]:
    """For every gate that failed, then for every one that could not be told."""
    found: dict[str, None] = {}
    for gate in sorted(verdict.gates, key=lambda item: -item.ruling):
        if gate.ruling is Ruling.FAIL:
            found[ADVICE.get(gate.gate.finding, f"See the evidence of {gate.gate.finding}.")] = None
        elif gate.ruling is Ruling.UNKNOWN:
            found[f"Supply the missing evidence of {gate.gate.finding}: {gate.why}"] = None
    return list(found)
