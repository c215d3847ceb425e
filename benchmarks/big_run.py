"""A made-up run folder of any size, the same for the same seed: what judging and reporting are measured on.

The figures are drawn, the form is that of a real run: a worker's file with intents, requests and lag, samples of every
source with a cache of clients that is full, a final read of every tenant.

    python -m benchmarks.big_run FOLDER [REQUESTS] [TENANTS]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import bundled, scenario, target
from harness.clock import NS_PER_MS, NS_PER_S, dice
from harness.plan import Machine, Plan
from harness.record.folder import End, RunFolder
from harness.record.schema import (
    CachedTenant,
    ControlTenant,
    Counters,
    Database,
    DatabaseCounters,
    Fault,
    FinalRead,
    Health,
    Intent,
    Lag,
    Login,
    OwnData,
    Phase,
    Process,
    Pulse,
    Redis,
    RedisClient,
    Row,
    Server,
    ServerConnection,
    Statistics,
    Trailer,
)
from harness.record.writer import RowWriter

CACHED = 100
CONTROL = 8
REQUESTS_PER_S = 2000
SAMPLE_S = 0.25
COUNTERS_EVERY = 4
PULSE_S = 0.1
STEPS = ("login", "create_branch", "list_branches")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    requests: int = 1_000_000
    tenants: int = 1_000
    seed: int = 1

    @property
    def load_s(self) -> float:
        return max(10.0, self.requests / REQUESTS_PER_S)

    @property
    def begins_ns(self) -> int:
        return 5 * NS_PER_S

    @property
    def ends_ns(self) -> int:
        return self.begins_ns + round(self.load_s * NS_PER_S)

    def registered_ns(self, n: int) -> int:
        """When tenant `n` is registered: they come evenly over the first nine tenths of the load."""
        return self.begins_ns + round(0.9 * self.load_s * NS_PER_S * n / self.tenants)


def make(path: Path, size: Size | None = None) -> RunFolder:
    """Write the folder. `path` must not be there yet."""
    size = size or Size()
    folder = RunFolder(path)
    folder.events.mkdir(parents=True)
    folder.logs.mkdir()
    plan = _plan(size, path.name)
    folder.write_plan(plan)
    _write(folder, "conductor", _conductor(size))
    _write(folder, "observe", _observed(size))
    _write(folder, "final_read", _final_read(size, plan))
    _load(folder, size, plan)
    (folder.logs / "backend.log").write_text("started\n")
    (folder.logs / "postgres.log").write_text("ready\n")
    folder.write_end(
        End(
            reason="completed",
            detail="",
            ended_ns=size.ends_ns + 10 * NS_PER_S,
            stack="embedded",
            stack_why="made up",
            versions={"postgres": "postgresql 18", "redis": "valkey 9"},
        )
    )
    return folder


def tenant_id(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012x}"


def database(n: int) -> str:
    return f"tenant_{tenant_id(n).replace('-', '')}"


def _plan(size: Size, run_id: str) -> Plan:
    written = scenario.Scenario.model_validate(
        {
            "name": "big",
            "proves": "that a large run is judged and reported in time",
            "load": {"registrations": size.tenants, "users": 20, "flow": ["register", *STEPS]},
            "faults": [{"fault": "redis.slow", "at_s": 0.4 * size.load_s, "for_s": 0.1 * size.load_s}],
        }
    )
    return Plan(
        harness_version="0",
        run_id=run_id,
        created_at="2026-01-01T00:00:00+00:00",
        origin_ns=0,
        seed=size.seed,
        stack="embedded",
        scenario_file="big.toml",
        target_file="target.toml",
        scenario=written,
        target=target.load(bundled.reference_target()),
        machine=Machine(host="made-up", cores=2, memory_bytes=8 * 2**30, system="Linux", python="3.11"),
    )


def _write(folder: RunFolder, name: str, rows: Iterator[Row]) -> None:
    writer = RowWriter(folder.events_file(name))
    for row in rows:
        writer.append(row)
    writer.close()


def _conductor(size: Size) -> Iterator[Row]:
    moments = {
        "setup": 0,
        "steady": 2 * NS_PER_S,
        "load": size.begins_ns,
        "heal": size.ends_ns,
        "settle": size.ends_ns + NS_PER_S,
        "final_read": size.ends_ns + 3 * NS_PER_S,
        "teardown": size.ends_ns + 9 * NS_PER_S,
    }
    for phase, at_ns in moments.items():
        yield Phase(at_ns=at_ns, phase=phase)  # type: ignore[arg-type]
    begin_ns = size.begins_ns + round(0.4 * size.load_s * NS_PER_S)
    end_ns = begin_ns + round(0.1 * size.load_s * NS_PER_S)
    for state, at_ns in (
        ("planned", 0),
        ("injected", begin_ns),
        ("seen", begin_ns),
        ("healed", end_ns),
        ("seen_healed", end_ns),
    ):
        yield Fault(at_ns=at_ns, fault="redis.slow#1", name="redis.slow", state=state)  # type: ignore[arg-type]


def _observed(size: Size) -> Iterator[Row]:
    draw = dice(size.seed, "observed")
    at_ns, number = 3 * NS_PER_S, 0
    while at_ns < size.ends_ns + 3 * NS_PER_S - NS_PER_MS:
        done = _done(size, at_ns)
        yield from _sample(size, at_ns, done, number)
        for k in range(round(SAMPLE_S / PULSE_S)):
            moment = at_ns + round(k * PULSE_S * NS_PER_S)
            yield Pulse(at_ns=moment, what="live", status=200, duration_ms=draw.uniform(1, 20))
        if number % 2 == 0:
            said = "dependencies=up status=ok"
            yield Pulse(at_ns=at_ns, what="dependencies", status=200, duration_ms=draw.uniform(1, 20), said=said)
        if number % 20 == 0:
            yield Health(
                at_ns=at_ns,
                endpoint="/health",
                ok=True,
                status=200,
                duration_ms=draw.uniform(2, 20),
                registrations_done=done,
                why="every_nth",
            )
        at_ns, number = at_ns + round(SAMPLE_S * NS_PER_S), number + 1


def _done(size: Size, at_ns: int) -> int:
    share = (at_ns - size.begins_ns) / (0.9 * size.load_s * NS_PER_S)
    return max(0, min(size.tenants, int(share * size.tenants)))


def _sample(size: Size, at_ns: int, done: int, number: int) -> Iterator[Row]:
    cached = range(max(1, done - CACHED + 1), done + 1)
    control = [_connection(10 + k, "control", NS_PER_S, at_ns) for k in range(CONTROL)]
    clients = [
        _connection(1000 + n, database(n), size.registered_ns(n) - NS_PER_S // 10, size.registered_ns(n))
        for n in cached
    ]
    yield Server(at_ns=at_ns, connections=[*control, *clients])
    if number % COUNTERS_EVERY == 0:
        yield Counters(at_ns=at_ns, databases=[_counters(n) for n in range(1, done + 1)])
    yield Redis(
        at_ns=at_ns,
        up=True,
        clients=[RedisClient(id=1, name="tenant-backend", address="127.0.0.1:1", age_s=1, idle_s=0)],
        keys=done,
    )
    yield Process(
        at_ns=at_ns,
        process="backend",
        pid=7,
        alive=True,
        rss_bytes=200 * 2**20,
        descriptors=30 + len(control) + len(clients),
        threads=12,
    )
    yield Statistics(
        at_ns=at_ns,
        registrations_done=done,
        created=done,
        cached=len(cached),
        closed=done - len(cached),
        evicted=done - len(cached),
        failed_to_close=0,
        potential_leaks=0,
        connections_open=len(cached),
        cache_limit=CACHED,
        redis_state="connected",
        redis_attempts=1,
        tenants=[CachedTenant(tenant_id=tenant_id(n), connections=1, accesses=5, idle_s=1.0, in_use=0) for n in cached],
    )


def _connection(pid: int, name: str, opened_ns: int, used_ns: int) -> ServerConnection:
    return ServerConnection(
        pid=pid,
        database=name,
        user="postgres",
        application="tenant-backend",
        client_port=10_000 + pid,
        state="idle",
        opened_ns=opened_ns,
        last_change_ns=used_ns,
        wait_event="ClientRead",
    )


def _counters(n: int) -> DatabaseCounters:
    return DatabaseCounters(
        database=database(n), connected=1, sessions=1, abandoned=0, fatal=0, killed=0, commits=9, rollbacks=0
    )


def _final_read(size: Size, plan: Plan) -> Iterator[Row]:
    at_ns = size.ends_ns + 4 * NS_PER_S
    for n in range(1, size.tenants + 1):
        own = plan.registration(n)
        yield ControlTenant(at_ns=at_ns, tenant_id=tenant_id(n), email=own.email, database=database(n), status="active")
        yield Database(
            at_ns=at_ns, database=database(n), tables=["public.branches", "public.schema_version", "public.users"]
        )
        yield Login(at_ns=at_ns, n=n, tenant=own.tenant, outcome="ok", status=200, tenant_id=tenant_id(n))
        yield OwnData(at_ns=at_ns, n=n, tenant=own.tenant, acknowledged=[own.canary], found=[own.canary])
    yield FinalRead(at_ns=at_ns + 4 * NS_PER_S, control_table=True, databases=True, logins=True)


def _load(folder: RunFolder, size: Size, plan: Plan) -> None:
    """Written as text: a million rows through the writer would take longer than everything that is measured."""
    draw = dice(size.seed, "load")
    writer = RowWriter(folder.events_file("load-0"))
    for n in range(1, size.tenants + 1):
        own = plan.registration(n)
        writer.append(
            Intent(at_ns=size.registered_ns(n) - NS_PER_S, n=n, worker="load-0", tenant=own.tenant, email=own.email)
        )
    for k in range(int(size.load_s * 4)):
        writer.append(Lag(at_ns=size.begins_ns + k * NS_PER_S // 4, worker="load-0", lag_max_ns=NS_PER_MS, started=k))
    writer.close()
    with folder.events_file("load-0").open("a") as file:
        for n in range(1, size.tenants + 1):
            began_ns = size.registered_ns(n) - NS_PER_S // 2
            file.write(_request(n, "register", began_ns, round(draw.lognormvariate(5, 0.4) * NS_PER_MS), 201, "ok"))
        each_ns = round(size.load_s * NS_PER_S / max(1, size.requests))
        for k in range(size.requests - size.tenants):
            at_ns = size.begins_ns + k * each_ns
            n = 1 + draw.randrange(max(1, _done(size, at_ns)))
            failed = draw.random() < 0.001 and at_ns < size.begins_ns + 0.4 * size.load_s * NS_PER_S
            took_ns = round(draw.lognormvariate(2, 0.6) * NS_PER_MS)
            status, outcome = (503, "failed") if failed else (200, "ok")
            file.write(_request(n, STEPS[k % len(STEPS)], at_ns, took_ns, status, outcome))
    writer = RowWriter(folder.events_file("load-0"))
    writer.append(
        Trailer(
            at_ns=size.ends_ns,
            worker="load-0",
            planned=size.tenants,
            ok=size.tenants,
            failed=0,
            unknown=0,
            not_started=0,
            rows=size.requests,
            reason="completed",
        )
    )
    writer.close()


def _request(n: int, step: str, at_ns: int, took_ns: int, status: int, outcome: str) -> str:
    error = "" if outcome == "ok" else "busy"
    return (
        f'{{"kind":"request","worker":"load-0","n":{n},"tenant":"t{n:05d}","step":"{step}","intended_ns":{at_ns},'
        f'"start_ns":{at_ns},"first_byte_ns":{at_ns + took_ns - 1000},"end_ns":{at_ns + took_ns},"status":{status},'
        f'"outcome":"{outcome}","error":"{error}","sent":true,"reused":true,"bytes_received":300,'
        f'"tenant_id":"{tenant_id(n)}"}}\n'
    )


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[2:]]
    made = make(Path(sys.argv[1]), Size(**dict(zip(("requests", "tenants"), numbers, strict=False))))
    sys.stdout.write(f"{made.path}\n")
