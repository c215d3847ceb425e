"""The history against the final read: what was acknowledged must be there, what was refused must not, once each.

| finding | a tenant or database is counted when |
|---|---|
| lost | its registration was acknowledged, and its row, its database or its login is gone |
| recovered | the outcome was unknown and the tenant is there and whole (told, nothing bad) |
| ghosts | the registration failed and the tenant can log in or has an active row; or such a row has no database |
| orphans | a tenant's database to which no row of the control table leads |
| duplicates | an e-mail address or a database stands in more than one row |
| corrupted | a tenant is there, but its database lacks tables that a migrated one has, or can't be opened |
| own_data_wrong | data that was acknowledged to the tenant is not among what it reads, or another tenant's data is |

A row whose status is not the target's active one is on its way in or out: it counts for nothing by itself, since a
backend may clean up behind a crash, but an acknowledged tenant must not have one. A login that got no answer or a
server error proves nothing: that evidence is missing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.judge.registrations import Outcomes, outcomes
from harness.judge.tenants import database_of, is_tenants
from harness.record.reader import Record
from harness.record.schema import ControlTenant, Database, FinalRead, Intent, Login, OwnData

SOURCE = "final_read.jsonl"
SERVER_ERROR = 500
TOO_MANY = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the final read found, by tenant. `rows` are those of the control table, by label; `strangers` have none."""

    outcomes: Outcomes
    labels: Mapping[int, str]
    rows: Mapping[str, Sequence[ControlTenant]]
    strangers: Sequence[ControlTenant]
    databases: Mapping[str, Database]
    logins: Mapping[str, Login]
    own_data: Mapping[str, OwnData]
    read: FinalRead | None
    active_status: str

    def outcome(self, n: int) -> str:
        return self.outcomes.by_number[n]

    def is_active(self, row: ControlTenant) -> bool:
        return row.status is None or row.status == self.active_status

    @property
    def all_rows(self) -> list[ControlTenant]:
        return [*(row for rows in self.rows.values() for row in rows), *self.strangers]


def history(record: Record) -> list[Finding]:
    """The seven findings of the final read."""
    ending = read_ending(record)
    missing = _missing(ending)
    n = len(ending.labels)
    control = [*missing, *_without_control(record, ending)]
    unasked = _unasked(ending)
    tables = _expected_tables(record, ending)
    whole = [*missing, *_unread(record, ending)]
    return [
        _found("lost", "Tenants lost after their acknowledgement", [*_lost(record, ending)], n, [*missing, *unasked]),
        _found("ghosts", "Ghosts: refused, but there", [*_ghosts(record, ending)], n, [*control, *unasked]),
        _found("orphans", "Orphaned databases", [*_orphans(record, ending)], len(ending.databases), control),
        _found("duplicates", "Duplicate tenants", [*_duplicates(record, ending)], len(ending.all_rows), control),
        _found("corrupted", "Half-migrated tenants", [*_corrupted(record, ending, tables)], n, whole),
        _own_data(record, ending, missing),
        _recovered(ending, missing),
    ]


def read_ending(record: Record) -> Ending:
    """The final read's rows, joined by tenant."""
    intents = {row.n: row for row in record.rows(Intent)}
    by_email = {row.email: row.tenant for row in intents.values()}
    rows: dict[str, list[ControlTenant]] = defaultdict(list)
    strangers = []
    logins = {row.tenant: row for row in record.rows(Login)}
    by_id = {row.tenant_id: row.tenant for row in logins.values() if row.tenant_id}
    for row in record.rows(ControlTenant):
        label = by_email.get(row.email or "") or by_id.get(row.tenant_id)
        if label:
            rows[label].append(row)
        else:
            strangers.append(row)
    reads = record.rows(FinalRead)
    return Ending(
        outcomes=outcomes(record),
        labels={n: row.tenant for n, row in intents.items()},
        rows=rows,
        strangers=strangers,
        databases={row.database: row for row in record.rows(Database)},
        logins=logins,
        own_data={row.tenant: row for row in record.rows(OwnData)},
        read=reads[-1] if reads else None,
        active_status=record.plan.target.database.active_status,
    )


def active_databases(record: Record) -> frozenset[str] | None:
    """The databases of tenants that the control table calls active; null where it was not read."""
    ending = read_ending(record)
    if ending.read is None or not ending.read.control_table:
        return None
    active = [row for row in ending.all_rows if ending.is_active(row)]
    return frozenset(row.database or database_of(record, row.tenant_id) for row in active)


def failed_tenants(record: Record) -> frozenset[str]:
    """The labels of tenants whose registration failed."""
    ending = read_ending(record)
    return frozenset(label for n, label in ending.labels.items() if ending.outcome(n) == "failed")


def _missing(ending: Ending) -> list[str]:
    if ending.read is None:
        return ["there was no final read, or it was not finished"]
    found = [] if ending.read.databases else ["the databases could not be read"]
    return [*found, *([] if ending.read.logins else ["nobody tried to log in"])]


def _without_control(record: Record, ending: Ending) -> list[str]:
    if ending.read is None or ending.read.control_table:
        return []
    named = record.plan.target.database.tenants_query is not None
    return ["the control table could not be read" if named else "the target names no tenants_query"]


def _unread(record: Record, ending: Ending) -> list[str]:
    """Tenants' databases into which nobody could look: all slots taken, or no Postgres."""
    of_tenant = is_tenants(record)
    unread = [row for name, row in ending.databases.items() if row.unread and of_tenant(name)]
    return [f"{len(unread)} databases could not be read, the first for {unread[0].unread}"] if unread else []


def _unasked(ending: Ending) -> list[str]:
    """Tenants whose login nobody tried or nobody answered."""
    if ending.read is None:
        return []
    silent = [label for label in ending.labels.values() if _proves_nothing(ending.logins.get(label))]
    return [f"{len(silent)} logins got no usable answer, the first that of {silent[0]}"] if silent else []


def _proves_nothing(login: Login | None) -> bool:
    if login is None or login.outcome == "unknown" or login.status is None:
        return True
    return login.outcome != "ok" and (login.status >= SERVER_ERROR or login.status == TOO_MANY)


def _lost(record: Record, ending: Ending) -> Iterator[Evidence]:
    for n, label in ending.labels.items():
        if ending.outcome(n) == "ok" and ending.read and (why := _gone(record, ending, label)):
            yield _fact(f"{label} was acknowledged, but {why}", label)


def _gone(record: Record, ending: Ending, label: str) -> str:
    """Why an acknowledged tenant is not there; empty where nothing speaks against it."""
    assert ending.read
    rows = ending.rows.get(label, [])
    if ending.read.control_table and not rows:
        return "the control table has no row of it"
    if rows and not any(ending.is_active(row) for row in rows):
        return f"its row has the status {rows[0].status}"
    databases = [row.database or database_of(record, row.tenant_id) for row in rows]
    if ending.read.databases and databases and not any(name in ending.databases for name in databases):
        return f"its database {databases[0]} is not there"
    login = ending.logins.get(label)
    if login and login.outcome == "failed" and not _proves_nothing(login):
        return f"its login is answered with {login.status}"
    return ""


def _ghosts(record: Record, ending: Ending) -> Iterator[Evidence]:
    for n, label in ending.labels.items():
        if ending.outcome(n) != "failed":
            continue
        login = ending.logins.get(label)
        active = [row for row in ending.rows.get(label, []) if ending.is_active(row)]
        if login and login.outcome == "ok":
            yield _fact(f"the registration of {label} failed, but it can log in", label)
        elif active:
            yield _fact(f"the registration of {label} failed, but its row is active, its e-mail taken", label)
    yield from _rows_without_database(record, ending)


def _rows_without_database(record: Record, ending: Ending) -> Iterator[Evidence]:
    """Active rows that lead nowhere, of tenants that nobody was told they have."""
    if not ending.read or not ending.read.databases:
        return
    counted_already = {label for n, label in ending.labels.items() if ending.outcome(n) in ("ok", "failed")}
    unsure = [(label, row) for label, rows in ending.rows.items() for row in rows if label not in counted_already]
    for label, row in [*unsure, *(("", row) for row in ending.strangers)]:
        database = row.database or database_of(record, row.tenant_id)
        if ending.is_active(row) and database not in ending.databases:
            yield _fact(f"the row of {row.tenant_id} is active, its database {database} is not there", label or None)


def _orphans(record: Record, ending: Ending) -> Iterator[Evidence]:
    if not ending.read or not ending.read.control_table:
        return
    of_tenant = is_tenants(record)
    named = {row.database or database_of(record, row.tenant_id) for row in ending.all_rows}
    for name in sorted(ending.databases):
        if of_tenant(name) and name not in named:
            yield _fact(f"no row of the control table leads to the database {name}", None)


def _duplicates(record: Record, ending: Ending) -> Iterator[Evidence]:
    rows = ending.all_rows
    emails = Counter(row.email for row in rows if row.email)
    databases = Counter(row.database or database_of(record, row.tenant_id) for row in rows)
    for what, counts in (("e-mail address", emails), ("database", databases)):
        for name, count in counts.items():
            if count > 1:
                label = next((label for label, own in ending.rows.items() for row in own if row.email == name), None)
                yield _fact(f"{count} rows have the {what} {name}", label)


def _expected_tables(record: Record, ending: Ending) -> frozenset[str]:
    """The tables of a migrated tenant database: as the target file says, else what most of them have."""
    if record.plan.target.database.tables:
        return frozenset(record.plan.target.database.tables)
    of_tenant = is_tenants(record)
    shapes = Counter(
        frozenset(row.tables) for name, row in ending.databases.items() if of_tenant(name) and not row.unread
    )
    shape, count = shapes.most_common(1)[0] if shapes else (frozenset[str](), 0)
    return shape if count * 2 > shapes.total() else frozenset()


def _corrupted(record: Record, ending: Ending, tables: frozenset[str]) -> Iterator[Evidence]:
    """Tenants that are there, by an acknowledgement or an active row, and whose databases are not whole."""
    expected = {n: label for n, label in ending.labels.items() if ending.outcome(n) != "failed"}
    for label in expected.values():
        for row in ending.rows.get(label, []):
            database = ending.databases.get(row.database or database_of(record, row.tenant_id))
            if database is None or database.unread or not ending.is_active(row):
                continue
            lacks = sorted(table for table in tables if not _has(database, table))
            if database.error:
                yield _fact(f"the database of {label} can't be read: {database.error}", label)
            elif lacks:
                yield _fact(f"the database of {label} lacks {', '.join(lacks)}", label)


def _has(database: Database, table: str) -> bool:
    """Whether it has the table; a name without a schema matches in any."""
    return any(table in (have, have.partition(".")[2]) for have in database.tables)


def _own_data(record: Record, ending: Ending, missing: list[str]) -> Finding:
    canaries = {record.plan.registration(n).canary: label for n, label in ending.labels.items()}
    facts, unread = [], []
    for n, label in ending.labels.items():
        row = ending.own_data.get(label)
        if ending.outcome(n) == "ok" and (row is None or row.found is None):
            unread.append(label)
        if row is None or row.found is None:
            continue
        if lost := sorted(set(row.acknowledged) - set(row.found)):
            facts.append(_fact(f"{label} does not find what was acknowledged to it: {', '.join(lost[:3])}", label))
        if foreign := sorted({canaries[value] for value in row.found if canaries.get(value, label) != label}):
            facts.append(_fact(f"{label} reads the data of {', '.join(foreign[:3])}", label))
    reads = record.plan.target.final_read.read is not None
    lacks = [f"{len(unread)} tenants could not read their data, the first {unread[0]}"] if unread and reads else []
    return counted(
        "own_data_wrong",
        "Tenants whose own data is wrong",
        facts,
        n=len(ending.own_data),
        section="consistency",
        missing=[*missing, *lacks] if reads else [],
        not_applicable="" if reads else "the target file names no step that reads a tenant's data",
    )


def _recovered(ending: Ending, missing: list[str]) -> Finding:
    there = [
        label
        for n, label in ending.labels.items()
        if ending.outcome(n) == "unknown" and (login := ending.logins.get(label)) and login.outcome == "ok"
    ]
    facts = [_fact(f"{label} got no answer, and is there and whole", label) for label in there]
    return _found("recovered", "Recovered: unknown outcome, but there", facts, len(ending.labels), missing, expected="")


def _found(
    name: str, title: str, facts: Sequence[Evidence], n: int, missing: Sequence[str], expected: str = "0"
) -> Finding:
    return counted(name, title, facts, section="consistency", n=n, missing=missing, expected=expected)


def _fact(text: str, tenant: str | None) -> Evidence:
    return Evidence(text=text, source=SOURCE, tenant=tenant)
