"""Plays a run's fault timeline, and heals on every way out whatever it broke.

Each occurrence is planned, injected, seen to take effect, healed and seen healed; every step is a row of the history.
Whether an unseen fault is bad is for the judge to say.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from harness.clock import NS_PER_MS, Clock, WaitTimeout, dice, wait_until
from harness.fault_plan import FaultPlan
from harness.live.chaos.faults import Fault, Ground, fault_named
from harness.live.chaos.statement import Statements
from harness.live.chaos.steady_state import Probes
from harness.live.chaos.undo import Undoing
from harness.live.chaos.wire import Wire
from harness.live.children import ChildLedger
from harness.live.progress import Progress
from harness.live.stack import Service, Stack
from harness.plan import Occurrence, Plan, occurrences
from harness.record.schema import Fault as FaultRow
from harness.record.schema import FaultState
from harness.record.writer import RowWriter

POLL_NS = 10 * NS_PER_MS
INJECT_TIMEOUT_S = 30.0
SEEN_TIMEOUT_S = 10.0
HEAL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Active:
    """An occurrence that was begun and is not healed yet."""

    occurrence: Occurrence
    fault: Fault
    ground: Ground


class Conductor:
    """The faults of one run: `before_backend`, `entered` with the phases, `run` beside the load, and `heal_all`
    whatever happens."""

    def __init__(
        self,
        plan: Plan,
        stack: Stack,
        *,
        writer: RowWriter,
        clock: Clock,
        progress: Callable[[], Progress],
        ledger: ChildLedger | None = None,
        proxy_events: Path | None = None,
    ) -> None:
        self._plan = plan
        self._stack = stack
        self._writer = writer
        self._clock = clock
        self._progress = progress
        self._probes = Probes(plan, stack, writer=writer, clock=clock)
        self._undoing = Undoing(stack, ledger)
        self._proxy_events = proxy_events
        self._active: dict[str, Active] = {}
        self._unwitnessed: list[Active] = []
        self._load_over = asyncio.Event()
        # Faults may overlap, but nobody stops a service while somebody else is starting it.
        self._hands = {service: asyncio.Lock() for service in Service}
        self._timeline = list(occurrences(plan.scenario, plan.seed))
        self._repeats = Counter(occurrence.plan.label for occurrence in self._timeline)
        self._over: list[str] = []
        for occurrence in self._timeline:
            self._say(occurrence, "planned")

    @property
    def in_force(self) -> list[str]:
        """Occurrences that are broken now, oldest first."""
        return list(self._active)

    @property
    def broken(self) -> frozenset[Service]:
        """Services that a fault in force keeps from working."""
        return frozenset(active.fault.service for active in self._active.values())

    async def before_backend(self) -> None:
        """Inject what must be there before the backend starts."""
        for occurrence in self._timeline:
            if occurrence.plan.from_start:
                await self._inject(occurrence)

    async def entered(self, phase: Literal["steady", "settle"]) -> None:
        """Begin what is planned for the phase, before its work goes on. What settles is over when this returns."""
        begun = [occurrence for occurrence in self._timeline if occurrence.plan.at_phase == phase]
        for occurrence in begun:
            await self._inject(occurrence)
        if phase == "settle":
            await self._lasting(begun, self._clock.now_ns())

    async def run(self, load_started_ns: int) -> None:
        """Play the timeline; returns when every occurrence is over, or never began because the load ended."""
        async with asyncio.TaskGroup() as group:
            for occurrence in self._timeline:
                if occurrence.plan.at_phase != "settle":
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
    async def with_fault(self, name: str) -> AsyncIterator[None]:
        """The fault for as long as the block lasts, in the same history: what checks after the load ask for."""
        plan = FaultPlan(fault=name, at_phase="settle", until_end=True)
        occurrence = Occurrence(
            fault=f"{name}#checks", name=name, plan=plan, at_ns=0, at_registration=0, delay_ns=0, for_ns=None
        )
        self._say(occurrence, "planned")
        await self._inject(occurrence)
        try:
            yield
        finally:
            if active := self._active.get(occurrence.fault):
                await self._heal(active)

    async def steady(self, when: Literal["before", "after"]) -> bool:
        """Ask the steady-state probes until they hold, within the scenario's bound."""
        return await self._probes.hold(when, broken=self.broken)

    async def _play(self, occurrence: Occurrence, load_started_ns: int) -> None:
        await self._played(occurrence, load_started_ns)
        self._over.append(occurrence.plan.label)

    async def _played(self, occurrence: Occurrence, load_started_ns: int) -> None:
        if not (occurrence.plan.from_start or occurrence.plan.at_phase == "steady"):
            if not await self._comes(occurrence, load_started_ns):
                self._say(occurrence, "not_begun", "the load was over before")
                return
            await self._inject(occurrence)
        await self._lasting([occurrence], self._clock.now_ns())

    async def _comes(self, occurrence: Occurrence, load_started_ns: int) -> bool:
        """Wait for the occurrence's beginning; false where the load ended first."""
        if not await self._while_loaded(lambda: self._is_due(occurrence, load_started_ns)):
            return False
        due_ns = self._clock.now_ns() + occurrence.delay_ns
        if not await self._while_loaded(lambda: self._clock.now_ns() >= due_ns):
            return False
        if not occurrence.plan.on_statement:
            return True
        async with Statements(self._stack, occurrence.plan.on_statement) as statements:
            return await statements.seen(until=self._load_over.is_set)

    async def _while_loaded(self, holds: Callable[[], bool]) -> bool:
        """Wait until it holds; false where the load ended first."""
        while not holds():
            if self._load_over.is_set():
                return False
            await self._clock.sleep_until_ns(self._clock.now_ns() + POLL_NS)
        return True

    def _is_due(self, occurrence: Occurrence, load_started_ns: int) -> bool:
        elapsed_ns = self._clock.now_ns() - load_started_ns
        if (first := occurrence.plan.after) and self._over.count(first) < self._repeats[first]:
            return False
        return elapsed_ns >= occurrence.at_ns and self._progress().done >= occurrence.at_registration

    async def _lasting(self, begun: Iterable[Occurrence], since_ns: int) -> None:
        """Wait for the end of each that is in force, heal it and see the steady state come back."""
        for occurrence in begun:
            active = self._active.get(occurrence.fault)
            if active is None or occurrence.plan.until_end:
                continue
            while not self._is_over(occurrence, since_ns):
                await self._clock.sleep_until_ns(self._clock.now_ns() + POLL_NS)
            if await self._heal(active):
                await self._probes.hold("after", broken=self.broken, fault=occurrence.fault)

    def _is_over(self, occurrence: Occurrence, since_ns: int) -> bool:
        until = occurrence.plan.until_registration
        if occurrence.for_ns is not None:
            return self._clock.now_ns() - since_ns >= occurrence.for_ns
        return self._load_over.is_set() or (until is not None and self._progress().done >= until)

    async def _inject(self, occurrence: Occurrence) -> None:
        """Break it. An injection that fails is written down and healed; the run goes on."""
        fault = fault_named(occurrence.name, occurrence.plan.options)
        if lacking := sorted(f"{service}: {what}" for service, what in fault.needs - self._stack.capabilities):
            self._say(occurrence, "refused", f"the {self._stack.facts.name} stack can't do {', '.join(lacking)}")
            return
        # Entered before it is injected: an injection that fails or is cut off halfway must be healed too.
        active = Active(occurrence, fault, self._ground(occurrence))
        self._active[occurrence.fault] = active
        begun_ns = self._clock.now_ns()
        try:
            async with self._hands[fault.service], asyncio.timeout(INJECT_TIMEOUT_S):
                begun_ns = self._clock.now_ns()
                await fault.inject(active.ground)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others and the load go on
            self._say(occurrence, "not_injected", _told(error))
            await self._heal(active)
            return
        # Dated back: what fails while it is being injected is its doing already.
        self._say(occurrence, "injected", at_ns=begun_ns)
        await self._witness(occurrence, lambda: fault.seen(active.ground), "seen", "not_seen")

    async def _heal(self, active: Active) -> bool:
        """Heal one; trouble is written down and does not keep the others from being healed.

        What could not be healed stays in force, and is tried once more when everything ends.
        """
        occurrence = active.occurrence
        if occurrence.fault not in self._active:
            return False
        self._say(occurrence, "healing")
        try:
            async with self._hands[active.fault.service], asyncio.timeout(HEAL_TIMEOUT_S):
                await active.fault.heal(active.ground)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other faults must still be healed
            self._say(occurrence, "not_healed", _told(error))
            return False
        self._active.pop(occurrence.fault, None)
        self._say(occurrence, "healed")
        self._unwitnessed.append(active)
        await self._see_healed()
        return True

    async def _see_healed(self) -> None:
        """Look at what is healed, once nothing else on the same service is in force that would hide it."""
        ready = [active for active in self._unwitnessed if active.fault.service not in self.broken]
        self._unwitnessed = [active for active in self._unwitnessed if active not in ready]
        for active in ready:
            await self._witness(
                active.occurrence, partial(active.fault.healed, active.ground), "seen_healed", "not_healed"
            )

    async def _witness(
        self, occurrence: Occurrence, look: Callable[[], Awaitable[bool]], yes: FaultState, no: FaultState
    ) -> None:
        try:
            await wait_until(look, what=f"{occurrence.fault} to be {yes}", timeout_s=SEEN_TIMEOUT_S)
            self._say(occurrence, yes)
        except WaitTimeout as timeout:
            self._say(occurrence, no, str(timeout))

    def _ground(self, occurrence: Occurrence) -> Ground:
        return Ground(
            stack=self._stack,
            tenant_pattern=self._plan.target.database.tenant_pattern,
            dice=dice(self._plan.seed, "fault's own", occurrence.fault),
            undoing=self._undoing,
            wire=Wire(self._proxy_events),
        )

    def _say(self, occurrence: Occurrence, state: FaultState, detail: str = "", *, at_ns: int | None = None) -> None:
        row = FaultRow(
            at_ns=self._clock.now_ns() if at_ns is None else at_ns,
            fault=occurrence.fault,
            name=occurrence.name,
            state=state,
            registrations_done=self._progress().done,
            detail=detail,
        )
        self._writer.append(row, now=True)


def _told(error: Exception) -> str:
    """A time that ran out says nothing of itself."""
    return f"{type(error).__name__}: {error}" if str(error) else f"{type(error).__name__}: not done in time"
