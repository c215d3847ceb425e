"""The steady state: what must hold before the first fault, and again within a bound after the last healing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import asyncpg
import httpx

from harness.clock import Clock, WaitTimeout, wait_until
from harness.live.observe.postgres import APPLICATION
from harness.live.observe.redis import answers
from harness.live.stack import Stack
from harness.plan import Plan
from harness.record.schema import Probe
from harness.record.writer import RowWriter

ASK_TIMEOUT_S = 2.0


class Probes:
    """Three questions: does the backend's health check pass, does Postgres answer a query, does Redis answer a ping."""

    def __init__(self, plan: Plan, stack: Stack, *, writer: RowWriter, clock: Clock) -> None:
        self._stack = stack
        self._writer = writer
        self._clock = clock
        self._path = plan.target.health.check
        self._within_s = plan.scenario.observe.recover_within_s
        self._probes: dict[str, Callable[[], Awaitable[bool]]] = {
            "backend": self._backend,
            "postgres": self._postgres,
            "redis": lambda: answers(stack.redis),
        }

    async def hold(self, when: Literal["before", "after"], *, away: Sequence[str]) -> bool:
        """Whether all held in time; each leaves a row. A service that a fault in `away` has broken is not asked."""
        broken = {name.partition(".")[0] for name in away}
        held = [await self._holds(name, when) for name in self._probes if name not in broken]
        return all(held)

    async def _holds(self, name: str, when: Literal["before", "after"]) -> bool:
        begun_ns, detail = self._clock.now_ns(), ""
        try:
            await wait_until(self._probes[name], what=f"{name} to hold {when} the faults", timeout_s=self._within_s)
        except WaitTimeout as timeout:
            detail = str(timeout)
        holds = not detail
        took = f"after {(self._clock.now_ns() - begun_ns) / 1e6:.0f} ms"
        row = Probe(at_ns=self._clock.now_ns(), probe=name, when=when, holds=holds, detail=detail or took)
        self._writer.append(row, now=True)
        return holds

    async def _backend(self) -> bool:
        async with httpx.AsyncClient(timeout=ASK_TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(f"http://{self._stack.client}{self._path}")
        return answer.is_success

    async def _postgres(self) -> bool:
        session = await asyncpg.connect(
            self._stack.postgres.url("postgres"),
            timeout=ASK_TIMEOUT_S,
            command_timeout=ASK_TIMEOUT_S,
            server_settings={"application_name": APPLICATION},
        )
        try:
            return bool(await session.fetchval("SELECT true"))
        finally:
            session.terminate()
