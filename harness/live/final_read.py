"""The final read, after load, healing and settling: what is really there.

Control table, databases and their tables, roles, a login as the admin of every tenant that was ever intended, and each
one's own data against what was acknowledged to it. It opens every tenant's client in the target, so it comes after the
samples that count. Without the row `FinalRead` nothing can be said of lost and orphaned tenants.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import jmespath

from harness.clock import Clock
from harness.live.observe.postgres import APPLICATION, AWAY, WITHOUT_A_WORD_OF_THE_DATABASE
from harness.live.sending import ASK_TIMEOUT_S, body_of, keep, sender, sent
from harness.live.stack import Stack
from harness.plan import Plan, Registration
from harness.record.folder import RunFolder
from harness.record.schema import ControlTenant, Database, FinalRead, Login, Outcome, OwnData, Role
from harness.record.writer import RowWriter
from harness.target import Step, filled

DATABASES_AT_ONCE = 8
TENANTS_AT_ONCE = 8
WHOLE_TIMEOUT_S = 300.0
# A tenant takes a login, with its slow hash, and a read; on a busy machine that is most of a second.
TENANT_TIMEOUT_S = 1.0

TABLES = (
    "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
)

Item = TypeVar("Item")


@dataclass(slots=True)
class Known:
    """What the load knows of a registration: its number, whether it and which writes were acknowledged."""

    n: int
    registered: bool = False
    acknowledged: list[str] = field(default_factory=list)


async def final_read(plan: Plan, stack: Stack, folder: RunFolder, *, clock: Clock) -> None:
    """Write `events/final_read.jsonl`. What can't be read is a fact too; raises only `OSError` of a full disk."""
    writer = RowWriter(folder.events_file("final_read"))
    reading = Reading(plan, stack, writer, clock)
    try:
        known = known_registrations(plan, folder)
        async with asyncio.timeout(WHOLE_TIMEOUT_S + TENANT_TIMEOUT_S * len(known)):
            control = await reading.control_table()
            databases = await reading.databases()
            logins = await reading.tenants(known)
        writer.append(
            FinalRead(at_ns=clock.now_ns(), control_table=control, databases=databases, logins=logins), now=True
        )
    except TimeoutError:
        # No FinalRead row: the reader sees that it is not whole.
        writer.flush()
    finally:
        writer.close()


def known_registrations(plan: Plan, folder: RunFolder) -> list[Known]:
    """Every registration that was intended, from the load workers' files, with what the checks wrote since."""
    known: dict[int, Known] = {}
    for path in sorted(folder.events.glob("load-*.jsonl")):
        for row in _lines(path):
            if row["kind"] == "intent":
                known.setdefault(row["n"], Known(row["n"]))
            elif row["kind"] == "request" and row["n"] in known and row["outcome"] == "ok":
                known[row["n"]].registered |= row["step"] == "register"
                step = plan.target.steps.get(row["step"])
                if step is not None and step.writes is not None:
                    known[row["n"]].acknowledged.append(filled(step.writes, plan.registration(row["n"]).placeholders()))
    by_label = {plan.registration(n).tenant: item for n, item in known.items()}
    for row in _lines(folder.events_file("checks")):
        if row.get("wrote") is not None and row["tenant"] in by_label:
            by_label[row["tenant"]].acknowledged.append(row["wrote"])
    return [known[n] for n in sorted(known)]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, nothing for a missing one."""
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue  # A torn last line of a killed worker; the reader of the record tells it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a step; `json` is null where nothing did."""

    outcome: Outcome
    status: int | None
    error: str = ""
    json: Any = None


class Visitor:
    """A tenant's admin who comes back: what was saved of earlier answers, and the cookies that came with them."""

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.values = registration.placeholders()
        self._cookies: dict[str, str] = {}

    async def ask(self, client: httpx.AsyncClient, step: Step) -> Answer:
        """Send a step; what it saves is known to the next."""
        body = body_of(step, self.values)
        answer, error = await sent(client, step, self.values, body=body, cookies=self._cookies)
        if answer is None:
            return Answer(outcome="unknown", status=None, error=error)
        self._cookies |= {cookie.name: cookie.value or "" for cookie in answer.cookies.jar}
        if answer.status_code not in step.ok:
            return Answer(outcome="failed", status=answer.status_code, error=answer.text[:200])
        try:
            told = answer.json() if answer.content else None
        except ValueError:
            return Answer(outcome="failed", status=answer.status_code, error="the answer is no JSON")
        keep(step, told, self.values)
        return Answer(outcome="ok", status=answer.status_code, json=told)


class Reading:
    """One final read. Every question has a deadline; a few are asked at once."""

    def __init__(self, plan: Plan, stack: Stack, writer: RowWriter, clock: Clock) -> None:
        self._plan = plan
        self._stack = stack
        self._writer = writer
        self._clock = clock

    async def control_table(self) -> bool:
        """The rows of `tenants_query`; false where the target names none or the query failed."""
        query = self._plan.target.database.tenants_query
        if query is None:
            return False
        try:
            rows = await self._fetch(self._plan.target.database.control, query)
        except AWAY:
            return False
        for row in rows:
            values = {
                name: None if row.get(name) is None else str(row[name]) for name in ("email", "database", "status")
            }
            self._writer.append(ControlTenant(at_ns=self._clock.now_ns(), tenant_id=str(row["tenant_id"]), **values))
        return True

    async def databases(self) -> bool:
        """All databases, with the tables of tenants' ones, and all roles."""
        try:
            named = [row["datname"] for row in await self._fetch("postgres", "SELECT datname FROM pg_database")]
            roles = [row["rolname"] for row in await self._fetch("postgres", "SELECT rolname FROM pg_roles")]
        except AWAY:
            return False
        pattern = re.compile(self._plan.target.database.tenant_pattern)
        await _a_few_at_once(DATABASES_AT_ONCE, [name for name in named if pattern.search(name)], self.look_into)
        for name in named:
            if not pattern.search(name):
                self._writer.append(Database(at_ns=self._clock.now_ns(), database=name))
        for role in roles:
            self._writer.append(Role(at_ns=self._clock.now_ns(), role=role))
        return True

    async def tenants(self, known: list[Known]) -> bool:
        """Login and own data of every intended registration."""
        async with sender(self._stack.backend, at_once=TENANTS_AT_ONCE) as client:
            await _a_few_at_once(TENANTS_AT_ONCE, known, lambda item: self._tenant(client, item))
        return True

    async def look_into(self, name: str) -> None:
        """One database of a tenant: its tables, or why they are not known."""
        tables: list[str] = []
        error = unread = ""
        try:
            tables = sorted(row[0] for row in await self._fetch(name, TABLES))
        except WITHOUT_A_WORD_OF_THE_DATABASE as trouble:
            unread = f"{type(trouble).__name__}: {trouble}"
        except AWAY as trouble:
            error = f"{type(trouble).__name__}: {trouble}"
        self._writer.append(
            Database(at_ns=self._clock.now_ns(), database=name, tables=tables, error=error, unread=unread)
        )

    async def _tenant(self, client: httpx.AsyncClient, known: Known) -> None:
        visitor = Visitor(self._plan.registration(known.n))
        final = self._plan.target.final_read
        login = await visitor.ask(client, self._plan.target.steps[final.login])
        self._writer.append(
            Login(
                at_ns=self._clock.now_ns(),
                n=known.n,
                tenant=visitor.registration.tenant,
                outcome=login.outcome,
                status=login.status,
                tenant_id=visitor.values.get("tenant_id"),
                error=login.error,
            )
        )
        if login.outcome != "ok" or final.read is None:
            return
        step = self._plan.target.steps[final.read]
        answer = await visitor.ask(client, step)
        found = jmespath.search(step.reads, answer.json) if answer.outcome == "ok" and step.reads else None
        self._writer.append(
            OwnData(
                at_ns=self._clock.now_ns(),
                n=known.n,
                tenant=visitor.registration.tenant,
                acknowledged=known.acknowledged,
                found=None if found is None else [str(item) for item in found],
                error=answer.error,
            )
        )

    async def _fetch(self, database: str, query: str) -> list[asyncpg.Record]:
        session = await asyncpg.connect(
            self._stack.postgres.url(database),
            timeout=ASK_TIMEOUT_S,
            command_timeout=ASK_TIMEOUT_S,
            server_settings={"application_name": APPLICATION},
        )
        try:
            rows: list[asyncpg.Record] = await session.fetch(query)
            return rows
        finally:
            await session.close(timeout=ASK_TIMEOUT_S)


async def _a_few_at_once(most: int, items: Iterable[Item], act: Callable[[Item], Awaitable[None]]) -> None:
    slots = asyncio.Semaphore(most)

    async def one(item: Item) -> None:
        async with slots:
            await act(item)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
