"""The final read asks for one tenant at a time, whoever else it asks for meanwhile, and tells what it could not see."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from harness.clock import Clock
from harness.live.final_read import Reading, Visitor
from harness.live.sending import sender
from harness.live.stack import Address
from harness.record.schema import Database, Row
from harness.target import Step
from tests.judge.story import healthy
from tests.postgres import embedded_postgres

LOGIN = Step(method="POST", path="/login", body={"who": "{email}"}, save={"token": "token"})
READ = Step(path="/orders", headers={"Authorization": "Bearer {token}"}, reads="[]")


class Sessions(BaseHTTPRequestHandler):
    """Who logged in gets a token and a cookie, and is told whose both are."""

    def do_POST(self) -> None:
        who = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["who"]
        self._answer({"token": f"token of {who}"}, cookie=f"session={who}; Path=/; HttpOnly")

    def do_GET(self) -> None:
        self._answer([self.headers["Authorization"], self.headers["Cookie"]])

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, told: object, cookie: str | None = None) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def backend() -> Iterator[Address]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Sessions) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield Address("127.0.0.1", server.server_port)
        server.shutdown()
        serving.join(5)


async def test_a_tenants_session_never_becomes_anothers(backend: Address) -> None:
    """A backend that keeps its sessions in cookies is asked with the cookie of the tenant that is meant."""
    plan = healthy().plan()
    first, second = (Visitor(plan.registration(n)) for n in (1, 2))
    async with sender(backend) as client:
        for visitor in (first, second):
            assert (await visitor.ask(client, LOGIN)).outcome == "ok"
        for visitor in (first, second):
            email = visitor.registration.email
            assert (await visitor.ask(client, READ)).json == [f"Bearer token of {email}", f"session={email}"]


async def test_no_answer_is_unknown_and_a_refusal_is_failed(backend: Address) -> None:
    """What can't be asked is not said to be missing."""
    visitor = Visitor(healthy().plan().registration(1))
    async with sender(backend) as client:
        refused = await visitor.ask(client, READ.model_copy(update={"ok": [204]}))
    assert (refused.outcome, refused.status, refused.json) == ("failed", 200, None)
    async with sender(Address("127.0.0.1", 1)) as client:
        unreachable = await visitor.ask(client, LOGIN)
    assert (unreachable.outcome, unreachable.status) == ("unknown", None)
    assert "ConnectError" in unreachable.error


class Kept:
    """A writer that keeps its rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def append(self, row: Row) -> None:
        self.rows.append(row)


async def test_a_database_without_a_free_slot_is_not_read_and_one_that_refuses_has_an_error(tmp_path: Path) -> None:
    """Only what a database itself says is held against its tenant."""
    kept: Any = Kept()
    async with embedded_postgres(tmp_path) as access:
        stack: Any = SimpleNamespace(postgres=access)
        reading = Reading(healthy().plan(), stack, kept, Clock(0))
        held = [await asyncpg.connect(access.url("control"))]
        await held[0].execute("CREATE TABLE users (id int)")
        await held[0].execute("CREATE DATABASE closed ALLOW_CONNECTIONS false")
        for name in ("control", "closed"):
            await reading.look_into(name)
        with pytest.raises(asyncpg.TooManyConnectionsError):
            while True:
                held.append(await asyncpg.connect(access.url("control")))
        await reading.look_into("control")
        for connection in held:
            await connection.close()
    whole, closed, full = (row for row in kept.rows if isinstance(row, Database))
    assert (whole.tables, whole.error, whole.unread) == (["public.users"], "", "")
    assert "ObjectNotInPrerequisiteStateError" in closed.error
    assert not closed.unread
    assert "TooManyConnectionsError" in full.unread
    assert not full.error
