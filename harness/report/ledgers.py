"""Who says how many connections there are: the three ledgers laid beside each other, over time and by tenant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import pandas as pd

from harness.clock import NS_PER_S
from harness.record.reader import Listed, Record
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
        for row in thinned(record.scalars(Statistics))
    ]


def thinned(items: list[Item]) -> list[Item]:
    """At most `SAMPLES_SHOWN`, evenly, the last one always among them."""
    every = max(1, -(-len(items) // SAMPLES_SHOWN))
    return [item for index, item in enumerate(items) if index % every == 0 or index == len(items) - 1]


def by_database(record: Record) -> dict[str, Changes]:
    """The server ledger of each tenant database: its count of connections at each change, in order."""
    seen = record.listed(Server)
    mine = seen.items[_tenants_own(record, seen)]
    return changes(mine.groupby(["database", "at_ns"], observed=True).size(), seen.moments)


def by_tenant(record: Record) -> dict[str, Changes]:
    """The claimed ledger of each tenant (by the target's id): what the target says at each change, in order."""
    told = record.listed(Statistics)
    return changes(told.items.groupby(["tenant_id", "at_ns"], observed=True)["connections"].sum(), told.moments)


def changes(counted: pd.Series, moments: np.ndarray) -> dict[str, Changes]:
    """From counts by (name, at_ns), in order, to each name's changes. A name that a moment does not tell has none."""
    names, at_ns = (counted.index.get_level_values(level).to_numpy() for level in (0, 1))
    place, count = np.searchsorted(moments, at_ns), counted.to_numpy(dtype=int)
    goes_on = np.append((names[1:] == names[:-1]) & (place[1:] == place[:-1] + 1), False)[: len(names)]
    before = np.where(np.roll(goes_on, 1), np.roll(count, 1), 0)
    ends = ~goes_on & (count != 0) & (place + 1 < len(moments))
    rows = [*zip(names[count != before], place[count != before], count[count != before], strict=True)]
    rows += [(name, at + 1, 0) for name, at in zip(names[ends], place[ends], strict=True)]
    found: dict[str, Changes] = {}
    for name, at, now in sorted(rows):
        found.setdefault(str(name), []).append((round(int(moments[at]) / NS_PER_S, 3), int(now)))
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
    for row in record.scalars(Statistics):
        if row.connections_open is not None:
            yield row.at_ns / NS_PER_S, row.connections_open


def _server(record: Record) -> Iterator[tuple[float, int]]:
    seen = record.listed(Server)
    mine = seen.items.loc[_tenants_own(record, seen), "at_ns"].to_numpy()
    counts = np.bincount(np.searchsorted(seen.moments, mine), minlength=len(seen.moments))
    yield from zip((seen.moments / NS_PER_S).tolist(), counts.tolist(), strict=True)


def _tenants_own(record: Record, seen: Listed) -> pd.Series:
    """Which of the connections lead to a tenant's database."""
    is_tenant = tenant_databases(record)
    names = seen.items["database"]
    return names.isin([name for name in names.cat.categories if name and is_tenant(name)])


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
