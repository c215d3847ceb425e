"""Every kind of row in a run folder's `events/*.jsonl`.

A row is one JSON object a line with a `kind` (the key in `KINDS`) and the fields of its class. Times are nanoseconds
on the run's clock (see `harness.clock`). Writers only append; nothing is ever changed afterwards. A field that is not
known is null, never a made-up value.

| file | written by | kinds |
|---|---|---|
| `conductor.jsonl` | the orchestrator | phase, fault, probe, health, note |
| `load-<worker>.jsonl` | each load worker | intent, request, lag, trailer |
| `observe.jsonl` | the observers | server, counters, redis, statistics, process, pulse, gap |
| `proxy.jsonl` | the fault proxy | opened, closed, wire_end |
| `checks.jsonl` | the orchestrator | check_request, api_document |
| `final_read.jsonl` | the orchestrator | control_tenant, database, role, login, own_data, final_read |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

Outcome = Literal["ok", "failed", "unknown"]
PhaseName = Literal["setup", "steady", "load", "heal", "settle", "checks", "final_read", "teardown"]
CheckName = Literal["isolation", "tokens", "rate_limit", "api_contract", "double_submit"]
# What a sound backend does with a check's request: lets it in, refuses it (4xx), limits it sooner or later, answers
# anything but a failure of its own (5xx), answers what it likes as long as nothing of another tenant is in it, or lets
# in one of several that are the same.
Expected = Literal["accepted", "refused", "limited", "no_failure", "nothing_of_others", "one_of_several"]
FaultState = Literal[
    "planned",
    "injected",
    "seen",
    "healing",
    "healed",
    "seen_healed",
    "not_seen",
    "not_healed",
    "refused",  # this stack can't do it
    "not_begun",  # the load was over before its moment came
    "not_injected",  # breaking it failed; it was healed all the same
]

# The step of the row that stands for a whole registration, however the target file names the step that was sent.
REGISTER = "register"

# The harness's own looks through the fault proxy come from this loopback address, so that nobody counts them.
LOOKING_FROM = "127.0.0.77"


class Row:
    """Base of all rows; `kind` names the class in the file."""

    __slots__ = ()
    kind: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase(Row):
    """The run entered a phase."""

    kind: ClassVar[str] = "phase"
    at_ns: int
    phase: PhaseName


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Row):
    """A fault changed state. `fault` is the occurrence (`redis.kill#1`), `name` the catalogue's name.

    `injected` is dated to when the injection began, though its row comes when it succeeded; `healing` is the beginning
    and `healed` the end of the healing.
    """

    kind: ClassVar[str] = "fault"
    at_ns: int
    fault: str
    name: str
    state: FaultState
    registrations_done: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Row):
    """A steady-state probe was asked until it held or its time was up.

    Before the first fault; after each healing (`fault` is the occurrence that was healed); and after the last one, when
    the load is over (`fault` is empty). `took_ms` counts from the healing, or from the first asking, until it held.
    """

    kind: ClassVar[str] = "probe"
    at_ns: int
    probe: str
    when: Literal["before", "after"]
    holds: bool
    detail: str = ""
    fault: str = ""
    took_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Row):
    """A health check of the target: `registrations_done` when it was asked, `ok` if answered 2xx."""

    kind: ClassVar[str] = "health"
    at_ns: int
    endpoint: str
    ok: bool
    status: int | None
    duration_ms: float
    registrations_done: int
    why: Literal["every_nth", "periodic", "end"]
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse(Row):
    """A light request to the target, many a second: whether it answers at all while it works, and what it says of its
    dependencies. `said` are the words of a JSON answer, sorted, without its numbers; null where there was no answer."""

    kind: ClassVar[str] = "pulse"
    at_ns: int
    what: Literal["live", "dependencies"]
    status: int | None
    duration_ms: float
    said: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Row):
    """Something a reader of the run must know: a crash, a restart, a fallback, an interruption."""

    kind: ClassVar[str] = "note"
    at_ns: int
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent(Row):
    """Registration `n` is about to be sent; flushed before the first byte leaves."""

    kind: ClassVar[str] = "intent"
    at_ns: int
    n: int
    worker: str
    tenant: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Row):
    """One request, whatever became of it.

    A registration that is acknowledged later, by a polled step, is one row `register` that lasts until then; each poll
    is a row of its own. `n` is the registration number its flow belongs to (null for background operations), `tenant`
    the harness's own label of the tenant (see `plan.Registration`), `tenant_id` what the target calls it once known.
    `sent` says whether any byte of the request may have left; a request cut off after that is `unknown`, one cut off
    before is `failed`.
    """

    kind: ClassVar[str] = "request"
    worker: str
    n: int | None
    tenant: str
    step: str
    intended_ns: int
    start_ns: int
    first_byte_ns: int | None
    end_ns: int
    status: int | None
    outcome: Outcome
    error: str = ""
    sent: bool = True
    reused: bool = False
    bytes_received: int = 0
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag(Row):
    """The load generator's own health over the last interval: its worst lateness, and how long its loop stood still.

    One row for every quarter of a second, also for those that a frozen process missed.
    """

    kind: ClassVar[str] = "lag"
    at_ns: int
    worker: str
    lag_max_ns: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer(Row):
    """The last row of a worker's file; without it the worker was lost.

    Counts are of registrations but for `operations_planned` (null where nothing bounds them) and `operations`, those
    of the background mix that were begun. `clock_offset_ns` was added to the worker's own clock in every row;
    `clock_error_ns` bounds how far it may be off.
    """

    kind: ClassVar[str] = "trailer"
    at_ns: int
    worker: str
    planned: int
    ok: int
    failed: int
    unknown: int
    not_started: int
    rows: int
    reason: str
    clock_offset_ns: int = 0
    clock_error_ns: int = 0
    operations_planned: int | None = 0
    operations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConnection:
    """A backend of `pg_stat_activity`, identified by `(pid, opened_ns)`; `client_port` is the wire ledger's key."""

    pid: int
    database: str
    user: str
    application: str
    client_port: int | None
    state: str
    opened_ns: int
    last_change_ns: int
    wait_event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Row):
    """One sample of the server ledger: all client backends but the observer's own."""

    kind: ClassVar[str] = "server"
    at_ns: int
    connections: list[ServerConnection] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCounters:
    """Cumulative session counters of one database (`pg_stat_database`)."""

    database: str
    connected: int
    sessions: int
    abandoned: int
    fatal: int
    killed: int
    commits: int
    rollbacks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters(Row):
    """One sample of every database's counters."""

    kind: ClassVar[str] = "counters"
    at_ns: int
    databases: list[DatabaseCounters] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisClient:
    """One line of Redis `CLIENT LIST`."""

    id: int
    name: str
    address: str
    age_s: int
    idle_s: int
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis(Row):
    """One sample of Redis; `up` is false when it did not answer, then the rest is empty.

    `keys` are all, `keys_lasting` those of them that never expire.
    """

    kind: ClassVar[str] = "redis"
    at_ns: int
    up: bool
    clients: list[RedisClient] = field(default_factory=list)
    keys: int | None = None
    keys_lasting: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTenant:
    """What the target says of one cached client, where it does."""

    tenant_id: str
    connections: int | None = None
    accesses: int | None = None
    idle_s: float | None = None
    in_use: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics(Row):
    """The claimed ledger: the target's own statistics, as its target file maps them. Null where it says nothing."""

    kind: ClassVar[str] = "statistics"
    at_ns: int
    registrations_done: int
    created: int | None
    cached: int | None
    closed: int | None
    evicted: int | None = None
    failed_to_close: int | None = None
    potential_leaks: int | None = None
    connections_open: int | None = None
    cache_limit: int | None = None
    redis_state: str | None = None
    redis_attempts: int | None = None
    tenants: list[CachedTenant] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process(Row):
    """Resources of one process (`backend`, or the harness's own: `generator`, `orchestrator`)."""

    kind: ClassVar[str] = "process"
    at_ns: int
    process: str
    pid: int
    alive: bool
    rss_bytes: int | None = None
    descriptors: int | None = None
    threads: int | None = None
    cpu_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Row):
    """An observer could not sample: evidence is missing here, and why."""

    kind: ClassVar[str] = "gap"
    at_ns: int
    source: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Row):
    """The fault proxy accepted a connection. `(proxy, connection)` identifies it.

    `upstream_port` is the proxy's own port towards the service: `pg_stat_activity.client_port` there. It is null when
    the upstream refused, which `error` tells, and with the real Toxiproxy, which does not say.
    """

    kind: ClassVar[str] = "opened"
    at_ns: int
    proxy: str
    connection: int
    client: str
    upstream_port: int | None
    error: str = ""

    @property
    def is_a_look(self) -> bool:
        """Whether the harness itself looked, instead of the target."""
        return self.client.startswith(f"{LOOKING_FROM}:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Row):
    """The fault proxy's connection ended: by whom and how, what went through, and which toxics touched it.

    The real Toxiproxy tells only that it ended.
    """

    kind: ClassVar[str] = "closed"
    at_ns: int
    proxy: str
    connection: int
    by: Literal["client", "upstream", "toxic", "control", "unknown"]
    how: Literal["fin", "rst", "unknown"]
    bytes_up: int | None
    bytes_down: int | None
    first_byte_up_ns: int | None = None
    last_byte_up_ns: int | None = None
    first_byte_down_ns: int | None = None
    last_byte_down_ns: int | None = None
    toxics: list[str] = field(default_factory=list)
    database: str | None = None
    user: str | None = None
    client_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WireEnd(Row):
    """The fault proxy's last row; without it the proxy was killed, and its rows may end early."""

    kind: ClassVar[str] = "wire_end"
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest(Row):
    """One request of a check after the load, and what came back.

    `tenant` asks, `about` is the tenant whose id or data the request names. `accepted`: the status acknowledges the
    step. `answer` is the body's beginning, `fields` the names at the top of a JSON object (null for anything else),
    `deprecated` whether the answer calls itself so. `seen` are the tenants whose canary the whole body holds. `faults`
    are in force, `healed` those that a check has healed before. `wrote` is what the tenant owns from now on.
    """

    kind: ClassVar[str] = "check_request"
    at_ns: int
    check: CheckName
    probe: str
    tenant: str
    method: str
    path: str
    expected: Expected
    about: str | None = None
    request: str = ""
    status: int | None = None
    accepted: bool = False
    error: str = ""
    answer: str = ""
    fields: list[str] | None = None
    deprecated: bool = False
    seen: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    wrote: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDocument(Row):
    """The target's OpenAPI document as it was served; `text` is empty where it wasn't, and `error` says why."""

    kind: ClassVar[str] = "api_document"
    at_ns: int
    path: str
    status: int | None
    text: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTenant(Row):
    """Final read: one row of the target's control table."""

    kind: ClassVar[str] = "control_tenant"
    at_ns: int
    tenant_id: str
    email: str | None = None
    database: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Database(Row):
    """Final read: one database of the server; `tables` tells a migrated one from a half-migrated one.

    `error` is what this database answered instead; `unread` why nobody could look, as when no slot was free, which says
    nothing of the database. Both leave `tables` empty.
    """

    kind: ClassVar[str] = "database"
    at_ns: int
    database: str
    tables: list[str] = field(default_factory=list)
    error: str = ""
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role(Row):
    """Final read: one role of the server."""

    kind: ClassVar[str] = "role"
    at_ns: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Login(Row):
    """Final read: login as the admin of registration `n`, whatever its outcome was."""

    kind: ClassVar[str] = "login"
    at_ns: int
    n: int
    tenant: str
    outcome: Outcome
    status: int | None
    tenant_id: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnData(Row):
    """Final read: what a tenant reads of its own data against what was acknowledged to it."""

    kind: ClassVar[str] = "own_data"
    at_ns: int
    n: int
    tenant: str
    acknowledged: list[str] = field(default_factory=list)
    found: list[str] | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalRead(Row):
    """The final read is complete; without this row nothing can be said of lost and orphaned tenants."""

    kind: ClassVar[str] = "final_read"
    at_ns: int
    control_table: bool
    databases: bool
    logins: bool


KINDS: dict[str, type[Row]] = {
    row.kind: row
    for row in (
        Phase, Fault, Probe, Health, Pulse, Note,
        Intent, Request, Lag, Trailer,
        Server, Counters, Redis, Statistics, Process, Gap,
        Opened, Closed, WireEnd,
        CheckRequest, ApiDocument,
        ControlTenant, Database, Role, Login, OwnData, FinalRead,
    )
}  # fmt: skip
