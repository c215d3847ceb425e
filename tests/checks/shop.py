"""A small multi-tenant API in memory, sound unless told otherwise, and what the checks need to ask it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt

from harness.clock import Clock
from harness.live.checks.asking import Asker, Checked
from harness.plan import Plan
from harness.record.schema import CheckRequest
from harness.record.writer import RowWriter
from tests.judge.story import Story

KEY = "the-key-that-the-shop-signs-with-0123456789"
BEARER = {"Authorization": "Bearer {token}"}

TARGET: dict[str, Any] = {
    "name": "a shop",
    "database": {"tenant": "shop_{tenant_id}", "tenant_pattern": "^shop_[0-9a-f]+$"},
    "steps": {
        "register": {"method": "POST", "path": "/shops", "body": {"email": "{email}"}, "save": {"tenant_id": "shop"}},
        "login": {"method": "POST", "path": "/login", "body": {"email": "{email}"}, "save": {"token": "token"}},
        "logout": {"method": "POST", "path": "/logout", "headers": BEARER},
        "write": {
            "method": "POST",
            "path": "/orders",
            "headers": BEARER,
            "body": {"name": "{canary}"},
            "writes": "{canary}",
        },
        "read": {"path": "/orders", "headers": BEARER, "reads": "orders"},
    },
    "health": {"check": "/health"},
    "checks": {
        "isolation": {
            "tenants": 2,
            "write": "write",
            "requests": {
                "list": {"path": "/orders", "headers": BEARER},
                "of_path": {"path": "/shops/{other_tenant_id}/orders", "headers": BEARER},
            },
        },
        "tokens": {"request": "read", "logout": "logout", "tenant_claim": "shop"},
        "rate_limit": {"limit": 3, "request": {"method": "POST", "path": "/login", "body": {"email": "{email}"}}},
    },
    "api": {"tenant_field": "shop", "steps": ["login", "write", "read"], "openapi": "/openapi.json"},
}


@dataclass
class Shop:
    """Tenants are their e-mail addresses. The first fields are faults that it can be given."""

    sees_all: bool = False
    takes_unsigned: bool = False
    forgets_revoked: bool = False
    limit: int | None = None
    lifetime_s: int = 900
    down: bool = False
    orders: dict[str, list[str]] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    logins: dict[str, int] = field(default_factory=dict)
    registered: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        try:
            body = json.loads(request.content) if request.content else {}
        except ValueError:
            return httpx.Response(422, json={"shop": None})
        match request.method, request.url.path:
            case "POST", "/shops":
                self.registered.append((str(body.get("email")), request.headers.get("idempotency-key", "")))
                return httpx.Response(201, json={"shop": str(body.get("email"))})
            case "POST", "/login":
                return self._login(str(body.get("email")))
        return self._with_token(request, body)

    def _login(self, email: str) -> httpx.Response:
        self.logins[email] = self.logins.get(email, 0) + 1
        if self.limit is not None and self.logins[email] > self.limit:
            return httpx.Response(429)
        claims = {"shop": email, "exp": int(time.time()) + self.lifetime_s, "jti": str(self.logins[email])}
        return httpx.Response(200, json={"shop": email, "token": jwt.encode(claims, KEY, "HS256")})

    def _with_token(self, request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer").strip()
        shop = self._whose(token)
        if shop is None:
            return httpx.Response(401, json={"shop": None, "detail": "who are you?"})
        if request.url.path == "/logout":
            self.revoked.add(token)
        if request.method == "POST" and request.url.path == "/orders":
            self.orders.setdefault(shop, []).append(str(body.get("name")))
        asked = request.url.path.split("/")[2] if request.url.path.startswith("/shops/") else shop
        if asked != shop and not self.sees_all:
            return httpx.Response(403, json={"shop": shop})
        return httpx.Response(200, json={"shop": asked, "orders": self.orders.get(asked, [])})

    def _whose(self, token: str) -> str | None:
        if token in self.revoked and not self.forgets_revoked:
            return None
        try:
            if self.takes_unsigned and jwt.get_unverified_header(token)["alg"] == "none":
                return str(jwt.decode(token, options={"verify_signature": False})["shop"])
            return str(jwt.decode(token, KEY, algorithms=["HS256"])["shop"])
        except jwt.PyJWTError:
            return None


def plan(**scenario: Any) -> Plan:
    """The plan of a run against the shop."""
    return Story(scenario={"name": "told", "proves": "a test", **scenario}, target=TARGET).plan()


@asynccontextmanager
async def asking(shop: Shop, path: Path, *, tenants: int = 2, faults: Sequence[str] = ()) -> AsyncIterator[Asker]:
    """An asker of the shop for its first tenants; its rows go to `path`."""
    made = [plan().registration(n) for n in range(1, tenants + 1)]
    async with httpx.AsyncClient(transport=httpx.MockTransport(shop), base_url="http://shop") as client:
        asker = Asker(client, RowWriter(path), Clock(0), plan(), in_force=lambda: faults)
        asker.tenants = [Checked(each.tenant, each.canary, each.placeholders()) for each in made]
        for tenant in asker.tenants:
            tenant.values["tenant_id"] = tenant.values["email"]
        yield asker
        asker.writer.close()


def rows(path: Path, probe: str | None = None) -> list[CheckRequest]:
    """The requests of the checks, all or those of one probe."""
    told = [json.loads(line) for line in path.read_text().splitlines()]
    found = [
        CheckRequest(**{k: v for k, v in row.items() if k != "kind"}) for row in told if row["kind"] == "check_request"
    ]
    return [row for row in found if probe is None or row.probe == probe]
