"""Run folders told by hand: a healthy run, and what a test changes in it.

A story is a list of rows by writer. `healthy` registers its tenants one after the other over ten seconds against a
backend that keeps one connection for each; a test adds, drops or replaces rows and judges the folder that it makes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from harness.clock import NS_PER_S
from harness.gate import Ruling
from harness.judge.model import Finding, Verdict
from harness.judge.verdict import judge
from harness.plan import Machine, Plan
from harness.record.folder import End, RunFolder
from harness.record.reader import Record, read
from harness.record.schema import (
    CachedTenant,
    ControlTenant,
    Database,
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
    Request,
    Row,
    Server,
    ServerConnection,
    Statistics,
    Trailer,
    WireEnd,
)
from harness.record.writer import RowWriter
from harness.scenario import Scenario
from harness.target import Target

LOAD_S, ENDS_S, HEAL_S, SETTLE_S, REST_S, READ_S, DOWN_S = 2.0, 12.0, 12.5, 12.6, 13.9, 14.0, 16.0
SAMPLE_S = 0.25

TARGET: dict[str, Any] = {
    "name": "a shop",
    "database": {
        "control": "shop",
        "tenant": "shop_{tenant_id}",
        "tenant_pattern": "^shop_",
        "tenants_query": "SELECT tenant_id, email, database, status FROM shops",
        "tables": ["orders", "users"],
    },
    "steps": {
        "register": {"method": "POST", "path": "/shops", "save": {"tenant_id": "id"}},
        "login": {"method": "POST", "path": "/login"},
        "write": {"method": "POST", "path": "/orders", "writes": "{canary}"},
        "read": {"path": "/orders", "reads": "[]"},
    },
    "final_read": {"login": "login", "read": "read"},
    "statistics": {"path": "/stats", "created": "a", "cached": "b", "closed": "c"},
    "health": {"check": "/health", "dependencies": "/health"},
    "redis": {"reconnects": 3, "backoff_ms": [500, 500, 1000], "announcement": "redis given up"},
}


@dataclass
class Story:
    """A run folder in the making."""

    scenario: dict[str, Any]
    target: dict[str, Any]
    rows: dict[str, list[Row]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    end: End | None = None

    def add(self, writer: str, *rows: Row) -> Story:
        self.rows.setdefault(writer, []).extend(rows)
        return self

    def drop(self, *kinds: type[Row], where: Callable[[Any], bool] = lambda _row: True) -> Story:
        """Take rows away; those of the kinds for which `where` holds."""
        for writer, rows in self.rows.items():
            self.rows[writer] = [row for row in rows if not (isinstance(row, kinds) and where(row))]
        return self

    def change(self, kind: type[Row], how: Callable[[Any], Row | None]) -> Story:
        """Replace rows of a kind; null leaves a row as it is."""
        for writer, rows in self.rows.items():
            self.rows[writer] = [(how(row) or row) if isinstance(row, kind) else row for row in rows]
        return self

    def plan(self) -> Plan:
        return Plan(
            harness_version="0",
            run_id="told",
            created_at="2026-01-01T00:00:00+00:00",
            origin_ns=0,
            seed=1,
            stack="embedded",
            scenario_file="told.toml",
            target_file="target.toml",
            scenario=Scenario.model_validate(self.scenario),
            target=Target.model_validate(self.target),
            machine=Machine(host="h", cores=2, memory_bytes=1, system="Linux", python="3.11"),
        )

    def write(self, path: Path) -> RunFolder:
        folder = RunFolder(path)
        for below in (folder.events, folder.logs):
            below.mkdir(parents=True)
        folder.write_plan(self.plan())
        for name, rows in self.rows.items():
            writer = RowWriter(folder.events_file(name))
            for row in rows:
                writer.append(row)
            writer.close()
        for name, text in self.logs.items():
            (folder.logs / f"{name}.log").write_text(text)
        if self.end:
            folder.write_end(self.end)
        return folder

    @contextmanager
    def record(self) -> Iterator[Record]:
        path = Path(mkdtemp(prefix="story-"))
        try:
            yield read(self.write(path / "run"))
        finally:
            shutil.rmtree(path)

    def verdict(self) -> Verdict:
        with self.record() as record:
            return judge(record)

    def finding(self, name: str, phase: str = "all") -> Finding:
        found = self.verdict().finding(name, phase)
        assert found is not None, name
        return found

    def ruling(self, name: str) -> Ruling | None:
        """The ruling of one gate; null where it was not ruled."""
        return next((item.ruling for item in self.verdict().gates if item.gate.finding == name), None)


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def label(n: int) -> str:
    return f"t{n:05d}"


def database(n: int) -> str:
    return f"shop_id{n}"


def healthy(tenants: int = 12, **scenario: Any) -> Story:
    """A whole run without trouble."""
    load = {"registrations": tenants, "users": 1, "flow": ["register", "write", "read"], "model": "sequential"}
    written = {"name": "told", "proves": "a test", **scenario, "load": {**load, **scenario.get("load", {})}}
    story = Story(scenario=written, target=TARGET)
    story.end = End(reason="completed", detail="", ended_ns=ns(DOWN_S), stack="embedded", stack_why="asked for")
    story.logs = {"backend": "started\n", "postgres": "ready\n"}
    _phases(story)
    for n in range(1, tenants + 1):
        story.add("load-0", *registered(story, n, at_s=begins_s(n, tenants)))
        story.add("final_read", *whole(story, n))
    story.add("load-0", *(Lag(at_ns=ns(LOAD_S + k / 4), worker="load-0", lag_max_ns=0, started=k) for k in range(40)))
    story.add("load-0", trailer(tenants))
    _samples(story, tenants)
    story.add("final_read", Database(at_ns=ns(READ_S), database="shop"))
    story.add("proxy", WireEnd(at_ns=ns(DOWN_S)))
    return story.add("final_read", FinalRead(at_ns=ns(DOWN_S), control_table=True, databases=True, logins=True))


def begins_s(n: int, tenants: int) -> float:
    return LOAD_S + (n - 1) * (ENDS_S - LOAD_S) / tenants


def trailer(tenants: int, **changes: int) -> Trailer:
    row = Trailer(
        at_ns=ns(ENDS_S),
        worker="load-0",
        planned=tenants,
        ok=tenants,
        failed=0,
        unknown=0,
        not_started=0,
        rows=1,
        reason="completed",
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def request(n: int, step: str, at_s: float, took_s: float = 0.1, **changes: Any) -> Request:
    row = Request(
        worker="load-0",
        n=n,
        tenant=label(n),
        step=step,
        intended_ns=ns(at_s),
        start_ns=ns(at_s),
        first_byte_ns=ns(at_s + took_s),
        end_ns=ns(at_s + took_s),
        status=200,
        outcome="ok",
        tenant_id=f"id{n}",
    )
    return replace(row, **changes)


def registered(story: Story, n: int, at_s: float) -> list[Row]:
    """The intent and the three requests of a tenant."""
    email = story.plan().registration(n).email
    return [
        Intent(at_ns=ns(at_s), n=n, worker="load-0", tenant=label(n), email=email),
        request(n, "register", at_s, 0.2),
        request(n, "write", at_s + 0.2),
        request(n, "read", at_s + 0.3),
    ]


def whole(story: Story, n: int) -> list[Row]:
    """What the final read finds of a tenant that is as it should be."""
    own = story.plan().registration(n)
    return [
        ControlTenant(at_ns=ns(READ_S), tenant_id=f"id{n}", email=own.email, database=database(n), status="active"),
        Database(at_ns=ns(READ_S), database=database(n), tables=["public.orders", "public.users"]),
        Login(at_ns=ns(READ_S + 1), n=n, tenant=label(n), outcome="ok", status=200, tenant_id=f"id{n}"),
        OwnData(at_ns=ns(READ_S + 1), n=n, tenant=label(n), acknowledged=[own.canary], found=[own.canary]),
    ]


def connection(pid: int, name: str, opened_s: float, used_s: float) -> ServerConnection:
    return ServerConnection(
        pid=pid,
        database=name,
        user="shop",
        application="shop",
        client_port=pid,
        state="idle",
        opened_ns=ns(opened_s),
        last_change_ns=ns(used_s),
    )


def held(story: Story, extra: ServerConnection) -> Story:
    """One more connection in every server sample from its opening on, as a leak is."""
    return story.change(
        Server,
        lambda row: replace(row, connections=[*row.connections, extra]) if row.at_ns >= extra.opened_ns else None,
    )


def fault(name: str, state: str, at_s: float) -> Fault:
    return Fault(at_ns=ns(at_s), fault=f"{name}#1", name=name, state=state)  # type: ignore[arg-type]


def broken(story: Story, name: str, begin_s: float, end_s: float) -> Story:
    """A fault that came, was seen, and went."""
    story.scenario["faults"] = [{"fault": name, "at_s": 0}]
    states = (("planned", 0), ("injected", begin_s), ("seen", begin_s), ("healed", end_s), ("seen_healed", end_s))
    return story.add("conductor", *(fault(name, state, at_s) for state, at_s in states))


def _phases(story: Story) -> None:
    moments = {
        "setup": 0.0,
        "steady": 1.0,
        "load": LOAD_S,
        "heal": HEAL_S,
        "settle": SETTLE_S,
        "final_read": READ_S,
        "teardown": DOWN_S,
    }
    story.add("conductor", *(Phase(at_ns=ns(at_s), phase=name) for name, at_s in moments.items()))  # type: ignore[arg-type]


def _samples(story: Story, tenants: int) -> None:
    moments = [1 + k * SAMPLE_S for k in range(int((REST_S - 1) / SAMPLE_S))] + [REST_S]
    for at_s in moments:
        begun = [n for n in range(1, tenants + 1) if begins_s(n, tenants) + 0.1 <= at_s]
        story.add("observe", *_sample(at_s, begun, tenants))
    for k in range(1, int((REST_S - 1) * 10)):
        pulse = Pulse(at_ns=ns(1 + k / 10), what="live", status=200, duration_ms=5)
        story.add("observe", pulse, replace(pulse, what="dependencies", said="redis=up"))
    story.add("observe", *(_checked(n, begins_s(n, tenants) + 0.5) for n in range(4, tenants + 1, 4)))
    story.add("observe", replace(_checked(tenants, REST_S), why="end"))


def _sample(at_s: float, begun: list[int], tenants: int) -> list[Row]:
    control = [connection(90 + k, "shop", 0.5, at_s) for k in range(3)]
    clients = [
        connection(1000 + n, database(n), begins_s(n, tenants) + 0.1, min(at_s, begins_s(n, tenants) + 0.4))
        for n in begun
    ]
    redis = [RedisClient(id=1, name="shop", address="a", age_s=1, idle_s=0)]
    return [
        Server(at_ns=ns(at_s), connections=[*control, *clients]),
        Redis(at_ns=ns(at_s), up=True, clients=redis, keys=0, keys_lasting=0),
        Process(
            at_ns=ns(at_s),
            process="backend",
            pid=7,
            alive=True,
            rss_bytes=50 * 2**20,
            descriptors=20 + len(control) + len(clients),
            threads=8,
        ),
        Statistics(
            at_ns=ns(at_s),
            registrations_done=len(begun),
            created=len(begun),
            cached=len(begun),
            closed=0,
            evicted=0,
            potential_leaks=0,
            connections_open=len(begun),
            cache_limit=100,
            redis_state="connected",
            redis_attempts=0,
            tenants=[CachedTenant(tenant_id=f"id{n}", connections=1) for n in begun],
        ),
    ]


def _checked(n: int, at_s: float) -> Health:
    return Health(
        at_ns=ns(at_s),
        endpoint="/health",
        ok=True,
        status=200,
        duration_ms=20,
        registrations_done=n,
        why="every_nth",
    )
