"""The claimed ledger: the target's own statistics, as its target file maps them."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import jmespath
from pydantic import JsonValue

from harness.live.stack import Stack
from harness.plan import Plan
from harness.record.schema import CachedTenant, Row, Statistics

TIMEOUT_S = 2.0
COUNTS = (
    "created",
    "cached",
    "closed",
    "evicted",
    "failed_to_close",
    "potential_leaks",
    "connections_open",
    "cache_limit",
    "redis_attempts",
)


class StatisticsSource:
    """Asks the backend directly, not through the client edge. Without `[statistics]` there is nothing to tell."""

    name = "statistics"

    def __init__(self, plan: Plan, stack: Stack) -> None:
        self._mapping = plan.target.statistics
        self._client = httpx.AsyncClient(base_url=f"http://{stack.backend}", timeout=TIMEOUT_S, trust_env=False)

    async def sample(self, at_ns: Callable[[], int], registrations_done: int) -> list[Row]:
        """One `Statistics` row, or none. Raises `httpx.HTTPError` or `ValueError` where the answer is unusable."""
        if self._mapping is None:
            return []
        answer = await self._client.get(self._mapping.path, headers=self._mapping.headers)
        answer.raise_for_status()
        told: JsonValue = answer.json()
        counts = {name: _count(getattr(self._mapping, name), told) for name in COUNTS}
        state = jmespath.search(self._mapping.redis_state, told) if self._mapping.redis_state else None
        return [
            Statistics(
                at_ns=at_ns(),
                registrations_done=registrations_done,
                redis_state=None if state is None else str(state),
                tenants=_tenants(self._mapping.tenants, told),
                **counts,
            )
        ]

    async def close(self) -> None:
        await self._client.aclose()


def _count(expression: str | None, told: JsonValue) -> int | None:
    """A whole number where the target tells one; anything else counts as not told."""
    found = jmespath.search(expression, told) if expression else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _tenants(expression: str | None, told: JsonValue) -> list[CachedTenant]:
    found = jmespath.search(expression, told) if expression else None
    return [
        CachedTenant(
            tenant_id=str(item["tenant_id"]),
            connections=item.get("connections"),
            accesses=item.get("accesses"),
            idle_s=item.get("idle_s"),
            in_use=item.get("in_use"),
        )
        for item in found or []
        if isinstance(item, dict) and item.get("tenant_id") is not None
    ]
