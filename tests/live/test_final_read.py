"""The final read asks for one tenant at a time, whoever else it asks for meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.live.final_read import Visitor
from harness.live.sending import sender
from harness.live.stack import Address
from harness.target import Step
from tests.judge.story import healthy

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
