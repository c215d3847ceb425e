"""Sends a step of the target as a client of its own would: for the checks and the final read. The load, which must be
faster and on time, has another client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx
import jmespath

from harness.live.stack import Address
from harness.target import Step, filled, filled_json

ASK_TIMEOUT_S = 10.0


def sender(backend: Address, *, at_once: int | None = None) -> httpx.AsyncClient:
    """A client that keeps no cookie: it asks for many tenants, and one's session must not become another's."""
    client = httpx.AsyncClient(
        base_url=f"http://{backend}",
        timeout=ASK_TIMEOUT_S,
        limits=httpx.Limits(max_connections=at_once),
        trust_env=False,
    )
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client


def body_of(step: Step, values: dict[str, str]) -> bytes | None:
    """The step's body as it is sent; null for none."""
    return None if step.body is None else json.dumps(filled_json(step.body, values)).encode()


async def sent(
    client: httpx.AsyncClient,
    step: Step,
    values: dict[str, str],
    *,
    body: bytes | None,
    cookies: Mapping[str, str] | None = None,
) -> tuple[httpx.Response | None, str]:
    """The answer, or null and why there is none."""
    headers = {name: filled(text, values).strip() for name, text in step.headers.items()}
    if body is not None:
        headers = {"Content-Type": "application/json", **headers}
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    try:
        return await client.request(step.method, filled(step.path, values), headers=headers, content=body), ""
    except httpx.HTTPError as trouble:
        return None, f"{type(trouble).__name__}: {trouble}"


def keep(step: Step, told: Any, values: dict[str, str]) -> None:
    """What the step saves of an answer's JSON goes into the values."""
    for name, expression in step.save.items():
        if (found := jmespath.search(expression, told)) is not None:
            values[name] = str(found)
