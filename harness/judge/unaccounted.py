"""Connections at rest that nobody accounts for: each named, with its age, its last use and why it is a leak.

Where the target claims how many connections its clients hold, what the server shows beyond that is unaccounted for; the
target's clients are pools, so a pool that keeps idle connections claims them too. Where it claims nothing, only what
the server's ledger alone proves counts (`abandoned`). In both cases a connection through the proxy that the server does
not know is unaccounted for as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from harness.clock import NS_PER_S
from harness.judge.abandoned import abandoned
from harness.judge.claims import quiet
from harness.judge.history import active_databases, failed_tenants
from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.judge.server import Accused, Life, at_rest, lacking, lives, rest_ns
from harness.judge.tenants import database_of, is_tenants, owners
from harness.judge.wire import only_on_the_wire
from harness.record.reader import Record
from harness.record.schema import Statistics

SKEW_NS = NS_PER_S
EVERYTHING = ""


def unaccounted(record: Record) -> list[Finding]:
    """`unaccounted_connections`."""
    rest = rest_ns(record)
    claim = quiet(record)
    if rest is None:
        facts, looked_at, missing = list[Evidence](), 0, lacking(record)
    elif claim is not None and (claim.tenants or claim.connections_open is not None):
        resting = _of_tenants(record, rest)
        facts, looked_at, missing = [item.evidence() for item in _beyond(record, resting, claim)], len(resting), []
    else:
        alone = abandoned(record)
        facts, looked_at, missing = [item.evidence() for item in alone.connections], alone.looked_at, _silent(record)
    return [
        counted(
            "unaccounted_connections",
            "Unaccounted connections at rest",
            [*facts, *only_on_the_wire(record, rest)],
            n=looked_at,
            section="connections",
            missing=missing,
        )
    ]


def _silent(record: Record) -> list[str]:
    """A target that has statistics and did not tell them after the load leaves its own ledger out."""
    return ["no connection statistics after the load"] if record.plan.target.statistics and not quiet(record) else []


def _of_tenants(record: Record, rest: int) -> list[Life]:
    of_tenant = is_tenants(record)
    found = lives(record, owners(record), until_ns=rest)
    return [life for life in at_rest(found, rest) if of_tenant(life.database)]


def _beyond(record: Record, resting: Sequence[Life], claim: Statistics) -> list[Accused]:
    """What the server shows and the target does not claim; of a database the longest unused are taken to be those."""
    settled = [life for life in resting if life.opened_ns < claim.at_ns and life.last_seen_ns >= claim.at_ns - SKEW_NS]
    claimed = {database_of(record, tenant.tenant_id): tenant.connections or 0 for tenant in claim.tenants}
    groups: dict[str, list[Life]] = defaultdict(list)
    for life in settled:
        groups[life.database if claim.tenants else EVERYTHING].append(life)
    allowed = claimed if claim.tenants else {EVERYTHING: claim.connections_open or 0}
    surplus = {name: len(held) - allowed.get(name, 0) for name, held in groups.items()}
    if max(surplus.values(), default=0) <= 0:
        return []
    proven = {item.life.pid: item.why for item in abandoned(record).connections}
    why = Why(record, claimed if claim.tenants else None, proven)
    return [
        Accused(life=life, why=why.of(life), at_ns=claim.at_ns)
        for name, held in groups.items()
        for life in sorted(held, key=lambda item: (item.pid not in proven, item.used_ns))[: max(0, surplus[name])]
    ]


class Why:
    """The reason for which a connection that nobody claims is a leak: what the server proves, else what is claimed."""

    def __init__(self, record: Record, claimed: Mapping[str, int] | None, proven: Mapping[int, str]) -> None:
        self._active, self._failed = active_databases(record), failed_tenants(record)
        self._claimed = claimed
        self._proven = proven

    def of(self, life: Life) -> str:
        if life.pid in self._proven:
            return self._proven[life.pid]
        if life.tenant in self._failed and self._active is not None and life.database not in self._active:
            return "the registration of its tenant failed"
        if self._claimed is None:
            return "the target claims fewer connections"
        if life.database not in self._claimed:
            return "its owner is not cached any more (evicted or never counted), and nothing closed it"
        return f"the target claims {self._claimed[life.database]} connections of this tenant"
