"""What must not grow with every registration: connections beside the tenants' own, Redis clients, descriptors, threads,
memory, keys and roles. Connections to tenants' databases are judged one by one (`unaccounted`)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.clock import NS_PER_S
from harness.judge.growth import REGISTRATIONS_MIN, Growth, Series, Values, growth, longest_stretch
from harness.judge.model import Evidence, Finding, Section
from harness.judge.registrations import registering
from harness.judge.server import rest_ns
from harness.judge.tenants import is_tenants
from harness.judge.windows import phase_began, rest_ended, windows
from harness.record.reader import Record
from harness.record.schema import Process, Redis, Role

KIB = 1024
MEMORY_SLACK_KIB = 2048
UNITS_SLACK = 3
# Thread pools fill with the first requests: Python's and libuv's own take 32 and 4, others a few.
THREADS_SLACK = 40
# So do pools of connections that all tenants share, as far as the load asks for.
POOLS_SLACK = 10
NEARLY_ALL = 0.9
FEW = 2
SMOOTHED_OVER = 5
SYSTEM_ROLES = "pg_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One thing that may grow: its samples as (at_ns, level), and the services whose faults reset it. `looked` says
    whether its source was sampled at all."""

    name: str
    title: str
    section: Section
    samples: Iterable[tuple[int, float]]
    services: tuple[str, ...]
    slack: float = UNITS_SLACK
    looked: bool = True
    unit: str = "per registration"


def resources(record: Record) -> list[Finding]:
    """Every growth, and how long the connections took to settle after the load."""
    done = _done(record)
    processes = [row for row in record.rows(Process) if row.process == "backend" and row.alive]
    levels = [_connections(record), *_of_redis(record), *_of_process(record, processes)]
    return [
        *(_finding(record, level, done) for level in levels),
        _memory(record, processes, done),
        *_at_the_end(record),
    ]


def _connections(record: Record) -> Level:
    return Level(
        name="connection_growth_per_registration",
        title="Connections beside the tenants' own, growth",
        section="connections",
        samples=_others(record),
        looked=len(record.connections) > 0,
        services=("postgres", "backend", "network"),
        slack=POOLS_SLACK,
    )


def _of_redis(record: Record) -> Iterator[Level]:
    up = [row for row in record.rows(Redis) if row.up]
    yield Level(
        name="redis_clients_growth",
        title="Redis clients, growth",
        section="redis",
        samples=[(row.at_ns, len(row.clients)) for row in up],
        looked=bool(record.rows(Redis)),
        services=("redis", "backend", "network"),
        slack=POOLS_SLACK,
    )
    yield Level(
        name="redis_keys_growth",
        title="Redis keys that never expire, growth",
        section="redis",
        samples=[(row.at_ns, row.keys_lasting) for row in up if row.keys_lasting is not None],
        looked=bool(record.rows(Redis)) and all(row.keys_lasting is not None for row in up),
        services=("redis", "backend"),
    )


def _of_process(record: Record, processes: Sequence[Process]) -> Iterator[Level]:
    explained = _explained(record)
    yield Level(
        name="descriptor_growth",
        title="Descriptors beyond the open connections, growth",
        section="resources",
        samples=[(r.at_ns, r.descriptors - explained(r.at_ns)) for r in processes if r.descriptors is not None],
        looked=bool(processes),
        services=("backend", "postgres", "redis", "network"),
        slack=UNITS_SLACK + _at_once_most(record),
    )
    yield Level(
        name="thread_growth",
        title="Threads, growth",
        section="resources",
        samples=[(row.at_ns, row.threads) for row in processes if row.threads is not None],
        looked=bool(processes),
        services=("backend",),
        slack=THREADS_SLACK,
    )


def _done(record: Record) -> Callable[[Values], Values]:
    """How many registrations were acknowledged at a moment."""
    rows = registering(record)
    ends = np.sort(rows.loc[rows["outcome"] == "ok", "end_ns"].to_numpy(dtype=float))
    return lambda at_ns: np.searchsorted(ends, at_ns, side="right").astype(float)


def _others(record: Record) -> list[tuple[int, float]]:
    """Connections that lead to no tenant's database, at each sample."""
    frame, of_tenant = record.connections, is_tenants(record)
    names = [name for name in frame["database"].cat.categories if name and not of_tenant(name)]
    counts = frame["database"].isin(names).groupby(frame["at_ns"]).sum()
    return list(zip(counts.index.astype(int).tolist(), counts.astype(float).tolist(), strict=True))


def _explained(record: Record) -> Callable[[int], float]:
    """Descriptors that open connections to Postgres and Redis account for, by the samples next to a moment."""
    sizes = record.connections.groupby("at_ns").size()
    redis = [(row.at_ns, len(row.clients)) for row in record.rows(Redis)]
    server = list(zip(sizes.index.astype(int).tolist(), sizes.tolist(), strict=True))
    return lambda at_ns: _next_to(server, at_ns) + _next_to(redis, at_ns)


def _at_once_most(record: Record) -> int:
    """The most requests that were under way at a moment: so many connections the load itself may have open."""
    requests = record.requests
    begun, ended = (np.sort(requests[name].to_numpy(dtype=float)) for name in ("start_ns", "end_ns"))
    return int((np.arange(1, len(begun) + 1) - np.searchsorted(ended, begun)).max(initial=0))


def _next_to(samples: Sequence[tuple[int, int]], at_ns: int) -> int:
    """The level of the first sample from then on, or of the last one there is."""
    place = bisect_left(samples, (at_ns, 0))
    return samples[min(place, len(samples) - 1)][1] if samples else 0


def _finding(record: Record, level: Level, done: Callable[[Values], Values]) -> Finding:
    begin_ns, end_ns = longest_stretch(windows(record, *level.services), rest_ended(record))
    chosen = [(at_ns, value) for at_ns, value in level.samples if begin_ns <= at_ns < end_ns]
    series = _series(chosen, done)
    found = growth(series, slack=level.slack)
    few = f"fewer than {REGISTRATIONS_MIN} registrations were sampled without a fault on it"
    told = ""
    if found:
        told = (
            f"from {found.first:.4g} to {found.last:.4g} over {found.registrations} registrations:"
            f" {found.slope:.3g} each, 95 % between {found.low:.3g} and {found.high:.3g}"
        )
    return Finding(
        name=level.name,
        title=level.title,
        value=None if found is None or found.is_open else found.slope if found.shown else 0.0,
        unit=level.unit,
        n=len(series.levels),
        expected="0",
        section=level.section,
        evidence=[Evidence(text=told, source="observe.jsonl")] if told else [],
        evidence_total=1 if told else 0,
        low=found.low if found else None,
        high=found.high if found else None,
        missing=_lacks(level, found),
        not_applicable="" if found or not level.looked else few,
    )


def _lacks(level: Level, found: Growth | None) -> list[str]:
    if not level.looked:
        return ["it was never sampled"]
    return ["it rose, and too few samples tell a leak from what fills once"] if found and found.is_open else []


def _series(samples: list[tuple[int, float]], done: Callable[[Values], Values]) -> Series:
    table = np.array(samples, dtype=float).reshape(-1, 2)
    return Series(done(table[:, 0]), table[:, 1])


def _memory(record: Record, processes: list[Process], done: Callable[[Values], Values]) -> Finding:
    """Only from when the number of connections stopped growing: until then each new client needs its own memory."""
    since_ns = _plateau_began(record)
    samples = [(row.at_ns, row.rss_bytes / KIB) for row in processes if row.rss_bytes and row.at_ns >= since_ns]
    level = Level(
        name="memory_growth",
        title="Memory once the connections stopped growing, growth",
        section="resources",
        samples=samples,
        services=("backend",),
        slack=MEMORY_SLACK_KIB,
        unit="KiB per registration",
    )
    return _finding(record, level, done)


def _plateau_began(record: Record) -> int:
    sizes = record.connections.groupby("at_ns").size()
    # The final read opens clients of its own accord.
    sizes = sizes[sizes.index <= rest_ended(record)]
    # One client that opens while another closes is no new level.
    sizes = sizes.rolling(SMOOTHED_OVER, center=True, min_periods=1).median()
    return int(sizes.index[sizes >= min(NEARLY_ALL * sizes.max(), sizes.max() - FEW)].min()) if len(sizes) else 0


def _at_the_end(record: Record) -> list[Finding]:
    return [_settled(record), _roles(record)]


def _settled(record: Record) -> Finding:
    """From the end of the load until the number of connections was, for the first time, what it stayed at."""
    load_ended, rest = phase_began(record, "heal"), rest_ns(record)
    value = None
    sizes = record.connections.groupby("at_ns").size()
    if load_ended is not None and rest is not None:
        after = sizes[(sizes.index >= load_ended) & (sizes.index <= rest)]
        moved = after.index[after != after.iloc[-1]] if len(after) else after.index
        value = (int(moved.max()) - load_ended) / NS_PER_S if len(moved) else 0.0
    return Finding(
        name="connections_settle_s",
        title="Time until the connections settled",
        value=value,
        unit="s",
        n=len(sizes),
        section="connections",
        missing=[] if value is not None else ["no sample of pg_stat_activity after the load"],
    )


def _roles(record: Record) -> Finding:
    names = [row.role for row in record.rows(Role) if not row.role.startswith(SYSTEM_ROLES)]
    count = int((registering(record)["outcome"] == "ok").sum())
    return Finding(
        name="role_growth",
        title="Roles of the server, for each registration",
        value=len(names) / count if names and count else None,
        n=len(names),
        section="resources",
        missing=[] if names and count else ["no roles were read or nothing was registered"],
    )
