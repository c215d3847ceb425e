"""Samples every source at the scenario's rate, and checks health at every k-th registration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from harness.clock import NS_PER_S, Clock
from harness.live.load.arrival import arrivals
from harness.live.observe.health import HealthSource
from harness.live.observe.postgres import PostgresSource
from harness.live.observe.process import ProcessSource
from harness.live.observe.pulse import PulseSource, pulses
from harness.live.observe.redis import RedisSource
from harness.live.observe.statistics import StatisticsSource
from harness.live.stack import Stack
from harness.plan import Plan
from harness.record.schema import Gap, Row, Server, Statistics
from harness.record.writer import RowWriter

SAMPLE_TIMEOUT_S = 3.0
POLL_S = 0.01
LOOKS_ON_THE_WAY = 12


class Source(Protocol):
    """One source of samples. `sample` returns rows or raises whatever kept it from looking."""

    name: str

    async def sample(self, at_ns: Callable[[], int], registrations_done: int) -> list[Row]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The last figures, for the dashboard: potential leaks, and connections as claimed and as Postgres sees them."""

    leaks: int | None = None
    claimed: int | None = None
    server: int | None = None


class Observers:
    """All sources of one run. A source that fails to sample leaves a `Gap` row, and the others go on."""

    def __init__(
        self, plan: Plan, stack: Stack, *, writer: RowWriter, clock: Clock, registrations_done: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._done = registrations_done
        self._period_ns = round(NS_PER_S / plan.scenario.observe.rate_hz)
        self._every = plan.scenario.health.every_registrations
        self._health_period_ns = round((plan.scenario.health.every_s or 0) * NS_PER_S)
        self._checked = 0
        self._planned = arrivals(plan.scenario.load)
        self._health = HealthSource(plan, stack)
        self._pulses = pulses(plan, stack)
        self._statistics = StatisticsSource(plan, stack)
        self._sources: list[Source] = [
            PostgresSource(stack),
            RedisSource(stack),
            self._statistics,
            ProcessSource(stack),
        ]
        self._busy = {source.name: asyncio.Lock() for source in self._sources}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._at_rest = False
        self.latest = Latest()

    async def start(self) -> None:
        """Begin to sample; the sources go at their own pace, so that a slow one does not hold up the others."""
        self._tasks = [asyncio.create_task(self._sampling(source)) for source in self._sources]
        self._tasks.append(asyncio.create_task(self._checking()))
        self._tasks.append(asyncio.create_task(self._looking_on_the_way()))
        self._tasks += [asyncio.create_task(self._pulsing(pulse)) for pulse in self._pulses]

    async def broken(self) -> None:
        """Wait until an observer is ended by its own trouble, a full disk say, and raise that: a run needs all."""
        ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()

    async def stop(self) -> None:
        """End sampling and close the connections. Raises what ended an observer early, a full disk say."""
        # The flag besides: a client library that swallows the cancellation must not keep its observer going for ever.
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for source in self._sources:
            await source.close()
        await self._health.close()
        for pulse in self._pulses:
            await pulse.close()
        self._writer.flush()
        for trouble in ended:
            if isinstance(trouble, Exception):
                raise trouble

    async def final(self) -> None:
        """The samples that count: of every source once more, and a last health check."""
        await asyncio.gather(*(self._sample(source, self._done()) for source in self._sources))
        await self._check("end", self._done())
        self._at_rest = True

    async def _sampling(self, source: Source) -> None:
        due_ns = self._clock.now_ns()
        while not self._stopping:
            await self._sample(source, self._done())
            due_ns = max(due_ns + self._period_ns, self._clock.now_ns())
            await self._clock.sleep_until_ns(due_ns)

    async def _checking(self) -> None:
        """Health and statistics at every k-th registration, each multiple once; and by time where that is asked for."""
        due_ns = self._health_period_ns
        while not self._stopping:
            while self._every and self._done() >= (self._checked + 1) * self._every:
                self._checked += 1
                await self._check("every_nth", self._checked * self._every)
                await self._sample(self._statistics, self._checked * self._every)
            if self._health_period_ns and self._clock.now_ns() >= due_ns:
                due_ns = self._clock.now_ns() + self._health_period_ns
                await self._check("periodic", self._done())
            await asyncio.sleep(POLL_S)

    async def _looking_on_the_way(self) -> None:
        """Of every source a sample at each of so many equal shares of the registrations, however quick they are: what
        grows with them can't be told from less."""
        looked = 0
        while not self._stopping:
            share = self._done() * LOOKS_ON_THE_WAY // self._planned if self._planned else 0
            if share > looked:
                looked = share
                await asyncio.gather(*(self._sample(source, self._done()) for source in self._sources))
            await asyncio.sleep(POLL_S)

    async def _pulsing(self, pulse: PulseSource) -> None:
        """One ask after the other, at its own pace."""
        while not self._stopping:
            due_ns = self._clock.now_ns() + pulse.period_ns
            self._writer.append(await pulse.ask(self._clock.now_ns))
            await self._clock.sleep_until_ns(due_ns)

    async def _check(self, why: str, registrations_done: int) -> None:
        self._write(await self._health.check(self._clock.now_ns, registrations_done, why))

    async def _sample(self, source: Source, registrations_done: int) -> None:
        async with self._busy[source.name]:
            rows = await self._sampled(source.name, source.sample(self._clock.now_ns, registrations_done))
        for row in rows:
            self._write(row)

    async def _sampled(self, name: str, sampling: Awaitable[list[Row]]) -> list[Row]:
        try:
            # Not `asyncio.wait_for`: before Python 3.12 it swallows a cancellation that comes as its work is done, and
            # this observer would go on for ever.
            async with asyncio.timeout(SAMPLE_TIMEOUT_S):
                return await sampling
        except Exception as error:  # noqa: BLE001 - a source that can't look is a fact of the run, whatever the reason
            return [Gap(at_ns=self._clock.now_ns(), source=name, error=f"{type(error).__name__}: {error}")]

    def _write(self, row: Row) -> None:
        self._writer.append(row, now=True)
        if self._at_rest:
            return  # What the final read opens and evicts is no news of leaks.
        if isinstance(row, Statistics) and None not in (row.created, row.closed, row.cached):
            potential = (row.created or 0) - (row.closed or 0) - (row.cached or 0)
            self.latest = Latest(leaks=potential, claimed=row.connections_open, server=self.latest.server)
        elif isinstance(row, Server):
            self.latest = Latest(leaks=self.latest.leaks, claimed=self.latest.claimed, server=len(row.connections))
