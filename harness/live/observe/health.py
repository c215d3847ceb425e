"""The target's health endpoint, asked directly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import httpx

from harness.clock import NS_PER_MS
from harness.live.stack import Stack
from harness.plan import Plan
from harness.record.schema import Health

TIMEOUT_S = 5.0
Why = Literal["every_nth", "periodic", "end"]


class HealthSource:
    """A health check that fails or does not answer is a row like any other."""

    def __init__(self, plan: Plan, stack: Stack) -> None:
        self._path = plan.target.health.check
        self._client = httpx.AsyncClient(base_url=f"http://{stack.backend}", timeout=TIMEOUT_S, trust_env=False)

    async def check(self, at_ns: Callable[[], int], registrations_done: int, why: str) -> Health:
        begun_ns = at_ns()
        status, error = None, ""
        try:
            status = (await self._client.get(self._path)).status_code
        except httpx.HTTPError as trouble:
            error = f"{type(trouble).__name__}: {trouble}"
        return Health(
            at_ns=begun_ns,
            endpoint=self._path,
            ok=status is not None and httpx.codes.is_success(status),
            status=status,
            duration_ms=(at_ns() - begun_ns) / NS_PER_MS,
            registrations_done=registrations_done,
            why=cast(Why, why),
            error=error,
        )

    async def close(self) -> None:
        await self._client.aclose()
