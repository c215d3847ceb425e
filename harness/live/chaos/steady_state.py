"""The steady state: what must hold before the first fault, and again within a bound after each healing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import httpx

from harness.clock import NS_PER_MS, Clock, WaitTimeout, wait_until
from harness.live.chaos.admin import postgres_answers
from harness.live.observe.redis import answers
from harness.live.stack import Service, Stack
from harness.plan import Plan
from harness.record.schema import Probe
from harness.record.writer import RowWriter

ASK_TIMEOUT_S = 2.0
# Without one of these nothing is promised of the probe: a backend can't be well while Postgres is away.
RESTS_ON = {
    "backend": {Service.BACKEND, Service.POSTGRES},
    "ready": {Service.BACKEND, Service.POSTGRES},
    "postgres": {Service.POSTGRES},
    "redis": {Service.REDIS},
}


class Probes:
    """Questions from outside: is the backend healthy, is it ready, does Postgres answer a query, Redis a ping."""

    def __init__(self, plan: Plan, stack: Stack, *, writer: RowWriter, clock: Clock) -> None:
        self._stack = stack
        self._writer = writer
        self._clock = clock
        self._names = plan.scenario.observe.probes
        self._within_s = plan.scenario.observe.recover_within_s
        health = plan.target.health
        self._probes: dict[str, Callable[[], Awaitable[bool]]] = {
            "backend": lambda: self._backend(health.check),
            "ready": lambda: self._backend(health.ready or health.check),
            "postgres": lambda: postgres_answers(stack, timeout_s=ASK_TIMEOUT_S),
            "redis": lambda: answers(stack.redis),
        }

    async def hold(self, when: Literal["before", "after"], *, broken: frozenset[Service], fault: str = "") -> bool:
        """Whether all held in time, counted from this call; each leaves a row.

        What rests on a `broken` service is not asked. `fault` names the occurrence whose healing this follows.
        """
        begun_ns = self._clock.now_ns()
        asked = [name for name in self._names if not RESTS_ON[name] & broken]
        held = await asyncio.gather(*(self._holds(name, when, begun_ns, fault) for name in asked))
        return all(held)

    async def _holds(self, name: str, when: Literal["before", "after"], begun_ns: int, fault: str) -> bool:
        detail = ""
        try:
            await wait_until(self._probes[name], what=f"{name} to hold {when} the faults", timeout_s=self._within_s)
        except WaitTimeout as timeout:
            detail = str(timeout)
        now_ns = self._clock.now_ns()
        took_ms = None if detail else (now_ns - begun_ns) / NS_PER_MS
        row = Probe(at_ns=now_ns, probe=name, when=when, holds=not detail, detail=detail, fault=fault, took_ms=took_ms)
        self._writer.append(row, now=True)
        return not detail

    async def _backend(self, path: str) -> bool:
        async with httpx.AsyncClient(timeout=ASK_TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(f"http://{self._stack.client}{path}")
        return answer.is_success
