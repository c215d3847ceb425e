"""Connections that the server's ledger alone proves to be abandoned, whatever the target claims or doesn't.

A connection to a tenant's database that is open at rest is accused for one of these reasons only:

- **passed over**: it was idle when a younger one to the same database was opened, was never used again, and the younger
  one served. A pool would have handed out the idle one. Not accused: connections opened together (a pool filling to its
  minimum), while several requests of the tenant were in flight (the older one may have been held), while Postgres or
  the way to it was broken or shortly after, or where another connection to the database had just ended (a replacement).
- **failed tenant**: its tenant's registration failed and the control table knows no such tenant.
- **surplus**: it was opened together with another, was never used again, and its database has more connections than
  the tenant ever had requests in flight and than nearly all other tenants' databases have beyond that, so that it is no
  pool that keeps some on purpose: a client that was opened twice at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.clock import NS_PER_S
from harness.judge.history import active_databases, failed_tenants
from harness.judge.server import Accused, Life, at_rest, lacking, lives, rest_ns
from harness.judge.tenants import is_tenants, owners
from harness.judge.windows import Window, windows
from harness.record.reader import Record

OPENED_TOGETHER_NS = 2 * NS_PER_S
REPLACED_WITHIN_NS = 5 * NS_PER_S
BROKEN_UNTIL_NS = 10 * NS_PER_S
STILL_HELD_NS = NS_PER_S // 2
SERVED_NS = NS_PER_S
FIRST_USE_NS = NS_PER_S
TENANTS_MIN = 8
ALIKE_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The accused, how many connections were looked at, and what evidence lacks."""

    connections: list[Accused]
    looked_at: int
    missing: list[str]


def abandoned(record: Record) -> Abandoned:
    """Every connection to a tenant's database that is accused, each once, with the first reason that holds."""
    rest = rest_ns(record)
    if rest is None:
        return Abandoned([], 0, lacking(record))
    of_tenant, owned = is_tenants(record), owners(record)
    found = [life for life in lives(record, owned, until_ns=rest) if of_tenant(life.database)]
    resting = at_rest(found, rest)
    flights = Flights(record)
    accused: dict[int, Accused] = {}
    for life, why in _reasons(record, found, resting, flights):
        accused.setdefault(life.pid, Accused(life=life, why=why, at_ns=rest))
    return Abandoned(list(accused.values()), len(resting), [])


class Flights:
    """Which requests of a tenant were in flight when. One without an answer counts as in flight for ever after."""

    def __init__(self, record: Record) -> None:
        self._frame = record.requests[["outcome", "start_ns", "end_ns"]]
        self._places = record.requests.groupby("tenant", observed=True).indices

    def _rows(self, tenant: str | None) -> pd.DataFrame | None:
        return self._frame.iloc[self._places[tenant]] if tenant in self._places else None

    def at(self, tenant: str | None, at_ns: int) -> int:
        """How many, at a moment; those that ended just before still count, since their connection may still be held."""
        rows = self._rows(tenant)
        if rows is None:
            return 0
        ended = (rows["end_ns"] + STILL_HELD_NS < at_ns) & (rows["outcome"] != "unknown")
        return int(((rows["start_ns"] <= at_ns) & ~ended).sum())

    def most(self, tenant: str | None) -> int:
        """The most at once, over the run."""
        rows = self._rows(tenant)
        if rows is None:
            return 0
        begins = np.sort(rows["start_ns"].to_numpy())
        ends = np.sort(rows.loc[rows["outcome"] != "unknown", "end_ns"].to_numpy())
        return int((np.arange(1, len(begins) + 1) - np.searchsorted(ends, begins, side="right")).max(initial=0))


def _reasons(
    record: Record, found: Sequence[Life], resting: Sequence[Life], flights: Flights
) -> Iterator[tuple[Life, str]]:
    yield from _failed(record, resting)
    yield from _passed_over(found, resting, flights, windows(record, "postgres", "network"))
    yield from _surplus(resting, flights, windows(record, "postgres", "network"))


def _failed(record: Record, resting: Iterable[Life]) -> Iterator[tuple[Life, str]]:
    active, failed = active_databases(record), failed_tenants(record)
    if active is None:
        return
    for life in resting:
        if life.tenant in failed and life.database not in active:
            yield life, "the registration of its tenant failed"


def _passed_over(
    found: Sequence[Life], resting: Iterable[Life], flights: Flights, broken: Sequence[Window]
) -> Iterator[tuple[Life, str]]:
    by_database: dict[str, list[Life]] = defaultdict(list)
    for life in found:
        by_database[life.database].append(life)
    for older in resting:
        mates = by_database[older.database]
        for younger in mates:
            if _is_passed_over(older, younger) and not _is_excused(older, younger, mates, flights, broken):
                later_s = (younger.opened_ns - older.used_ns) / NS_PER_S
                yield (
                    older,
                    f"never used again since connection {younger.pid} was opened {later_s:.1f} s after its last use",
                )
                break


def _is_passed_over(older: Life, younger: Life) -> bool:
    is_younger = younger.opened_ns - older.opened_ns > OPENED_TOGETHER_NS
    served = younger.last_seen_ns - younger.opened_ns >= SERVED_NS
    return is_younger and served and older.used_ns < younger.opened_ns


def _is_excused(older: Life, younger: Life, mates: Sequence[Life], flights: Flights, broken: Sequence[Window]) -> bool:
    at_ns = younger.opened_ns
    if _is_broken(at_ns, broken):
        return True
    others = [life for life in mates if life not in (older, younger)]
    if any(at_ns - REPLACED_WITHIN_NS <= life.last_seen_ns <= at_ns + STILL_HELD_NS for life in others):
        return True
    return flights.at(younger.tenant, at_ns) > 1


def _surplus(resting: Sequence[Life], flights: Flights, broken: Sequence[Window]) -> Iterator[tuple[Life, str]]:
    by_database: dict[str, list[Life]] = defaultdict(list)
    for life in resting:
        by_database[life.database].append(life)
    beyond = {name: len(held) - max(1, flights.most(held[0].tenant)) for name, held in by_database.items()}
    usual = _usual(beyond)
    if usual is None:
        return
    for name, held in by_database.items():
        unused = [life for life in held if _is_twin(life, held) and not _is_broken(life.opened_ns, broken)]
        for life in sorted(unused, key=lambda item: item.used_ns)[: max(0, beyond[name] - usual)]:
            yield life, f"its database has {len(held)} connections, others have fewer, and it was never used again"


def _is_twin(life: Life, held: Sequence[Life]) -> bool:
    """Opened together with another, and never used since."""
    if life.used_ns - life.opened_ns >= FIRST_USE_NS:
        return False
    return any(abs(mate.opened_ns - life.opened_ns) <= OPENED_TOGETHER_NS for mate in held if mate is not life)


def _is_broken(at_ns: int, broken: Sequence[Window]) -> bool:
    return any(window.begin_ns <= at_ns <= window.end_ns + BROKEN_UNTIL_NS for window in broken)


def _usual(beyond: Mapping[str, int]) -> int | None:
    """How many more than needed the databases have as a rule; null where they are too few or too unlike to say."""
    if len(beyond) < TENANTS_MIN:
        return None
    ordered = sorted(max(0, each) for each in beyond.values())
    usual = ordered[len(ordered) // 2]
    alike = sum(1 for each in ordered if each <= usual) / len(ordered)
    return usual if alike >= ALIKE_SHARE else None
