"""Light requests to the target, many a second, asked directly: does it answer while it works, and what does it say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import httpx
from pydantic import JsonValue

from harness.clock import NS_PER_MS, NS_PER_S
from harness.live.stack import Stack
from harness.plan import Plan
from harness.record.schema import Pulse

TIMEOUT_S = 5.0
LIVE_HZ = 10
DEPENDENCIES_HZ = 2
SAID_CHARACTERS = 300


class PulseSource:
    """One endpoint, asked over a connection of its own. No answer is a row too."""

    def __init__(self, stack: Stack, path: str, what: Literal["live", "dependencies"], per_s: int) -> None:
        self.period_ns = NS_PER_S // per_s
        self._path = path
        self._what = what
        self._client = httpx.AsyncClient(base_url=f"http://{stack.backend}", timeout=TIMEOUT_S, trust_env=False)

    async def ask(self, at_ns: Callable[[], int]) -> Pulse:
        begun_ns = at_ns()
        status, said, error = None, None, ""
        try:
            answer = await self._client.get(self._path)
            status, said = answer.status_code, _said(answer) if self._what == "dependencies" else None
        except httpx.HTTPError as trouble:
            error = type(trouble).__name__
        took_ms = (at_ns() - begun_ns) / NS_PER_MS
        return Pulse(at_ns=begun_ns, what=self._what, status=status, duration_ms=took_ms, said=said, error=error)

    async def close(self) -> None:
        await self._client.aclose()


def pulses(plan: Plan, stack: Stack) -> list[PulseSource]:
    """The endpoint that tells whether the target lives, and the one that tells of its dependencies if it has one."""
    health = plan.target.health
    found = [PulseSource(stack, health.live or health.check, "live", LIVE_HZ)]
    if health.dependencies is not None:
        found.append(PulseSource(stack, health.dependencies, "dependencies", DEPENDENCIES_HZ))
    return found


def _said(answer: httpx.Response) -> str:
    """The words of the answer: what a number says, a latency say, differs each time and tells nothing."""
    try:
        told: JsonValue = answer.json()
    except ValueError:
        return answer.text[:SAID_CHARACTERS]
    return " ".join(sorted(_words(told)))[:SAID_CHARACTERS]


def _words(told: JsonValue) -> Iterator[str]:
    if isinstance(told, str | bool):
        yield str(told)
    elif isinstance(told, dict):
        for name, value in told.items():
            yield from (f"{name}={word}" for word in _words(value))
    elif isinstance(told, list):
        for value in told:
            yield from _words(value)
