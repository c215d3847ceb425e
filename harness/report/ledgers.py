"""Who says how many connections there are: the three ledgers laid beside each other, over time and by tenant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from harness.clock import NS_PER_S
from harness.record.reader import Record
from harness.record.schema import Closed, Opened, Server, Statistics

Item = TypeVar("Item")
Changes = list[tuple[float, int]]

POSTGRES_EDGE = "backend-postgres"
REDIS_EDGE = "backend-redis"
SAMPLES_SHOWN = 400
WORDS = {"claimed": "claimed by the backend", "server": "seen by Postgres", "wire": "open on the wire"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One ledger's count of connections to tenants' databases at a moment."""

    at_s: float
    ledger: str
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The claimed ledger's bookkeeping at a moment; `leaks` is created - closed - cached."""

    at_s: float
    registrations: int
    created: int | None
    cached: int | None
    closed: int | None
    evicted: int | None
    leaks: int | None


def counts(record: Record) -> list[Count]:
    """Every ledger over time, thinned where there are more samples than a chart can show."""
    return [
        Count(at_s=round(at_s, 3), ledger=WORDS[name], connections=count)
        for name, series in (("claimed", _claimed(record)), ("server", _server(record)), ("wire", _wire(record)))
        for at_s, count in thinned(list(series))
    ]


def claims(record: Record) -> list[Claim]:
    """The claimed ledger's samples in order."""
    return [
        Claim(
            at_s=round(row.at_ns / NS_PER_S, 3),
            registrations=row.registrations_done,
            created=row.created,
            cached=row.cached,
            closed=row.closed,
            evicted=row.evicted,
            leaks=_leaks(row),
        )
        for row in thinned(record.rows(Statistics))
    ]


def thinned(items: list[Item]) -> list[Item]:
    """At most `SAMPLES_SHOWN`, evenly, the last one always among them."""
    every = max(1, -(-len(items) // SAMPLES_SHOWN))
    return [item for index, item in enumerate(items) if index % every == 0 or index == len(items) - 1]


def by_database(record: Record) -> dict[str, Changes]:
    """The server ledger of each tenant database: its count of connections at each change, in order."""
    is_tenant = tenant_databases(record)
    samples = record.rows(Server)
    return changes(
        (row.at_ns, Counter(item.database for item in row.connections if is_tenant(item.database))) for row in samples
    )


def by_tenant(record: Record) -> dict[str, Changes]:
    """The claimed ledger of each tenant (by the target's id): what the target says at each change, in order."""
    samples = record.rows(Statistics)
    return changes((row.at_ns, {item.tenant_id: item.connections or 0 for item in row.tenants}) for row in samples)


def changes(samples: Iterable[tuple[int, Mapping[str, int]]]) -> dict[str, Changes]:
    """From whole counts at each moment to each name's changes; a name that is not told has none."""
    found: dict[str, Changes] = {}
    before: Mapping[str, int] = {}
    for at_ns, now in samples:
        for name in (now.keys() | before.keys()) if now != before else ():
            if before.get(name, 0) != now.get(name, 0):
                found.setdefault(name, []).append((round(at_ns / NS_PER_S, 3), now.get(name, 0)))
        before = now
    return found


def tenant_databases(record: Record) -> Callable[[str], bool]:
    """Whether a database is a tenant's; each name is looked at once."""
    pattern = re.compile(record.plan.target.database.tenant_pattern)
    return lru_cache(maxsize=None)(lambda name: pattern.search(name) is not None)


def _leaks(row: Statistics) -> int | None:
    if row.created is None or row.closed is None or row.cached is None:
        return None
    return row.created - row.closed - row.cached


def _claimed(record: Record) -> Iterator[tuple[float, int]]:
    for row in record.rows(Statistics):
        if row.connections_open is not None:
            yield row.at_ns / NS_PER_S, row.connections_open


def _server(record: Record) -> Iterator[tuple[float, int]]:
    is_tenant = tenant_databases(record)
    for row in record.rows(Server):
        yield row.at_ns / NS_PER_S, sum(is_tenant(item.database) for item in row.connections)


def _wire(record: Record) -> Iterator[tuple[float, int]]:
    """Connections through the proxy to tenants' databases; to any database where the proxy can't tell which."""
    is_tenant = tenant_databases(record)
    closed = [row for row in record.rows(Closed) if row.proxy == POSTGRES_EDGE]
    other = {row.connection for row in closed if row.database and not is_tenant(row.database)}
    opened = [row for row in record.rows(Opened) if row.proxy == POSTGRES_EDGE and row.upstream_port is not None]
    steps = [(row.at_ns, 1) for row in opened if row.connection not in other]
    known = {row.connection for row in opened}
    steps += [(row.at_ns, -1) for row in closed if row.connection in known - other]
    open_now = 0
    for at_ns, step in sorted(steps):
        open_now += step
        yield at_ns / NS_PER_S, open_now
