"""Plays a run's fault timeline, and heals on every way out whatever it broke.

Each occurrence is planned, injected, seen to take effect, healed and seen healed; every step is a row of the history.
Whether an unseen fault is bad is for the judge to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from harness.clock import NS_PER_MS, Clock, WaitTimeout, wait_until
from harness.live.chaos.faults import Fault, fault_named
from harness.live.chaos.steady_state import Probes
from harness.live.progress import Progress
from harness.live.stack import Stack
from harness.plan import Occurrence, Plan, occurrences
from harness.record.schema import Fault as FaultRow
from harness.record.schema import FaultState
from harness.record.writer import RowWriter
from harness.scenario import FaultPlan

POLL_NS = 10 * NS_PER_MS
INJECT_TIMEOUT_S = 30.0
SEEN_TIMEOUT_S = 10.0
HEAL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Active:
    """An occurrence that was begun and is not healed yet."""

    occurrence: Occurrence
    fault: Fault
    begun_ns: int


class Conductor:
    """The faults of one run. `before_backend`, then `run` beside the load, then `heal_all` whatever happens."""

    def __init__(
        self, plan: Plan, stack: Stack, *, writer: RowWriter, clock: Clock, progress: Callable[[], Progress]
    ) -> None:
        self._stack = stack
        self._writer = writer
        self._clock = clock
        self._progress = progress
        self._probes = Probes(plan, stack, writer=writer, clock=clock)
        self._active: dict[str, Active] = {}
        self._load_over = asyncio.Event()
        self._timeline = list(occurrences(plan.scenario, plan.seed))
        for occurrence in self._timeline:
            self._say(occurrence, "planned")

    @property
    def in_force(self) -> list[str]:
        """Occurrences that are broken now, oldest first."""
        return list(self._active)

    async def before_backend(self) -> None:
        """Inject what must be there before the backend starts."""
        for occurrence in self._timeline:
            if occurrence.from_start:
                await self._inject(occurrence)

    async def run(self, load_started_ns: int) -> None:
        """Play the timeline; returns when every occurrence is over, or never began because the load ended."""
        async with asyncio.TaskGroup() as group:
            for occurrence in self._timeline:
                group.create_task(self._play(occurrence, load_started_ns))

    def load_ended(self) -> None:
        """The load is over: what was to begin later doesn't, what lasts as long as the load ends."""
        self._load_over.set()

    async def heal_all(self, *, until_end: bool = True) -> None:
        """Heal what is in force, last first; without `until_end` those stay that are planned to outlast the load."""
        for active in reversed(list(self._active.values())):
            if until_end or not active.occurrence.plan.until_end:
                await self._heal(active)

    @asynccontextmanager
    async def broken(self, name: str) -> AsyncIterator[None]:
        """The fault for as long as the block lasts, in the same history: what checks after the load ask for."""
        label = f"{name}#check"
        plan = FaultPlan(fault=name, id=label, from_start=True)
        occurrence = Occurrence(
            fault=label, name=name, plan=plan, from_start=False, at_ns=None, at_registration=None, for_ns=None
        )
        self._say(occurrence, "planned")
        await self._inject(occurrence)
        try:
            yield
        finally:
            if active := self._active.get(label):
                await self._heal(active)

    async def steady(self, when: Literal["before", "after"]) -> bool:
        """Ask the steady-state probes until they hold, within the scenario's bound."""
        return await self._probes.hold(when, away=[active.occurrence.name for active in self._active.values()])

    async def _play(self, occurrence: Occurrence, load_started_ns: int) -> None:
        if not occurrence.from_start:
            if not await self._comes(occurrence, load_started_ns):
                return
            await self._inject(occurrence)
        active = self._active.get(occurrence.fault)
        if active is None or occurrence.plan.until_end:
            return
        while not self._is_over(active):
            await self._clock.sleep_until_ns(self._clock.now_ns() + POLL_NS)
        await self._heal(active)

    async def _comes(self, occurrence: Occurrence, load_started_ns: int) -> bool:
        """Wait for the occurrence's beginning; false where the load ended first."""
        while not self._is_due(occurrence, load_started_ns):
            if self._load_over.is_set():
                return False
            await self._clock.sleep_until_ns(self._clock.now_ns() + POLL_NS)
        return True

    def _is_due(self, occurrence: Occurrence, load_started_ns: int) -> bool:
        if occurrence.at_ns is not None:
            return self._clock.now_ns() - load_started_ns >= occurrence.at_ns
        return self._progress().done >= (occurrence.at_registration or 0)

    def _is_over(self, active: Active) -> bool:
        until = active.occurrence.plan.until_registration
        if active.occurrence.for_ns is not None:
            return self._clock.now_ns() - active.begun_ns >= active.occurrence.for_ns
        return self._load_over.is_set() or (until is not None and self._progress().done >= until)

    async def _inject(self, occurrence: Occurrence) -> None:
        fault = fault_named(occurrence.name, occurrence.plan.options)
        if lacking := sorted(f"{service}: {what}" for service, what in fault.needs - self._stack.capabilities):
            self._say(occurrence, "refused", f"the {self._stack.facts.name} stack can't do {', '.join(lacking)}")
            return
        # Entered before it is injected: an injection that fails or is cut off halfway must be healed too.
        self._active[occurrence.fault] = Active(occurrence, fault, self._clock.now_ns())
        async with asyncio.timeout(INJECT_TIMEOUT_S):
            await fault.inject(self._stack)
        self._say(occurrence, "injected")
        await self._witness(occurrence, lambda: fault.seen(self._stack), "seen", "not_seen")

    async def _heal(self, active: Active) -> None:
        """Heal one; trouble is written down and does not keep the others from being healed."""
        occurrence = active.occurrence
        if self._active.pop(occurrence.fault, None) is None:
            return
        try:
            async with asyncio.timeout(HEAL_TIMEOUT_S):
                await active.fault.heal(self._stack)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other faults must still be healed
            self._say(occurrence, "not_healed", f"{type(error).__name__}: {error}")
            return
        self._say(occurrence, "healed")
        await self._witness(occurrence, lambda: active.fault.healed(self._stack), "seen_healed", "not_healed")

    async def _witness(
        self, occurrence: Occurrence, look: Callable[[], Awaitable[bool]], yes: FaultState, no: FaultState
    ) -> None:
        try:
            await wait_until(look, what=f"{occurrence.fault} to be {yes}", timeout_s=SEEN_TIMEOUT_S)
            self._say(occurrence, yes)
        except WaitTimeout as timeout:
            self._say(occurrence, no, str(timeout))

    def _say(self, occurrence: Occurrence, state: FaultState, detail: str = "") -> None:
        row = FaultRow(
            at_ns=self._clock.now_ns(),
            fault=occurrence.fault,
            name=occurrence.name,
            state=state,
            registrations_done=self._progress().done,
            detail=detail,
        )
        self._writer.append(row, now=True)
