"""Conducts one run: Prepared -> run folder. Whatever happens on the way, faults are healed and everything is ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

from harness.clock import NS_PER_S, Clock, WaitTimeout
from harness.live.chaos.conductor import Conductor
from harness.live.checks import run_checks
from harness.live.children import ChildLedger
from harness.live.clean import clean
from harness.live.crashes import CrashWatch
from harness.live.dashboard import LiveView, Watch
from harness.live.final_read import final_read
from harness.live.load.abort import AbortWatch
from harness.live.load.crew import invitation
from harness.live.load.driver import LoadDriver
from harness.live.observe import Latest, Observers
from harness.live.own_figures import watch_own
from harness.live.prepare import Prepared
from harness.live.progress import Lately, Progress
from harness.live.stack import EnvironmentTrouble, Service, Stack
from harness.live.stack.choose import make_stack
from harness.live.wire import WireLedger
from harness.plan import Plan
from harness.record import folder as record_folder
from harness.record.folder import End, EndReason, RunFolder
from harness.record.schema import Note, Phase, PhaseName
from harness.record.writer import RowWriter

STOP_LOAD_TIMEOUT_S = 10.0
TICK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """Where the run's record is and how it ended."""

    folder: RunFolder
    reason: EndReason
    detail: str


async def run(prepared: Prepared, watch: Watch) -> Ran:
    """Run the scenario. Never raises for what goes wrong in a run: `reason` and the record tell it.

    SIGINT and SIGTERM end the run in order; the record then says `interrupted`.
    """
    folder = record_folder.create(prepared.request.out, prepared.scenario.name)
    plan = prepared.plan(folder.path.name, prepared.request.stack)
    folder.write_plan(plan)
    conducted = Conducted(prepared, plan, folder, watch)
    reason: EndReason = "completed"
    detail = ""
    with cancelled_by_signals():
        try:
            await conducted.play()
        except asyncio.CancelledError:
            reason, detail = "interrupted", f"interrupted in phase {conducted.phase}"
        except Exception as error:  # noqa: BLE001 - whatever broke is recorded, told, and never a pass
            reason, detail = why_it_broke(error)
    if conducted.aborted and reason == "completed":
        reason, detail = "aborted", conducted.aborted
    try:
        conducted.write_end(reason, detail)
    except OSError as error:
        # A full disk, say: without end.json the record is never a pass, and everything that was started has ended.
        reason, detail = "environment", f"the record could not be written: {error}"
    return Ran(folder=folder, reason=reason, detail=detail)


def why_it_broke(error: Exception) -> tuple[EndReason, str]:
    """The end reason and a sentence; of a group of errors the first plain one is the cause, the rest followed it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, EnvironmentTrouble | WaitTimeout):
        return "environment", str(error)
    return "error", f"{type(error).__name__}: {error}"


class Conducted:
    """One run being conducted: what it stands on, and the phase it is in."""

    def __init__(self, prepared: Prepared, plan: Plan, folder: RunFolder, watch: Watch) -> None:
        self.phase: PhaseName = "setup"
        self.aborted = ""
        self._prepared = prepared
        self._plan = plan
        self._folder = folder
        self._watch = watch
        self._clock = Clock(plan.origin_ns)
        self._writer = RowWriter(folder.events_file("conductor"))
        self._stack: Stack | None = None
        self._ledger: ChildLedger
        self._driver: LoadDriver | None = None
        self._conductor: Conductor | None = None
        self._observers: Observers | None = None
        self._wire = WireLedger(folder.events_file("proxy"))

    async def play(self) -> None:
        """Every phase in order; what each one set up is undone, last first, on every way out."""
        async with AsyncExitStack() as undo:
            undo.callback(self._writer.flush)
            ticking = asyncio.create_task(self._tick())
            undo.callback(ticking.cancel)
            stack, conductor = await self._set_up(undo)
            crashes = CrashWatch(is_running=stack.is_running, broken=lambda: conductor.broken, tell=self._crashed)
            await self._steady(conductor, "before")
            observers = await self._observe(stack, undo)
            await conductor.entered("steady")
            await self._load(stack, conductor, observers, crashes, undo)
            await self._settle(stack, conductor, observers, crashes)
            await self._check(stack, conductor, observers)
            self._enter("final_read")
            await final_read(self._plan, stack, self._folder, clock=self._clock)
            crashes.look()
            self._enter("teardown")

    def write_end(self, reason: EndReason, detail: str) -> None:
        """The last word of the live half."""
        facts = self._stack.facts if self._stack else None
        self._writer.close()
        self._folder.write_end(
            End(
                reason=reason,
                detail=detail,
                ended_ns=self._clock.now_ns(),
                stack=facts.name if facts else self._plan.stack,
                stack_why=facts.why if facts else "never started",
                versions=dict(facts.versions) if facts else {},
            )
        )

    async def _set_up(self, undo: AsyncExitStack) -> tuple[Stack, Conductor]:
        self._enter("setup")
        left = await clean()
        for ended in left.ended:
            self._note("cleaned", f"left by a killed run, ended now: {ended}")
        ledger = ChildLedger.create(self._plan.run_id)
        undo.callback(ledger.close)
        self._ledger = ledger
        stack = await make_stack(self._prepared, self._plan, self._folder, ledger, tell=self._stack_says)
        self._stack = stack
        undo.push_async_callback(self._ended, stack)
        await stack.start()
        conductor = Conductor(
            self._plan,
            stack,
            writer=self._writer,
            clock=self._clock,
            progress=lambda: self._progress,
            ledger=self._ledger,
            proxy_events=self._folder.events_file("proxy"),
        )
        self._conductor = conductor
        undo.push_async_callback(conductor.heal_all)
        await conductor.before_backend()
        await stack.start_service(Service.BACKEND)
        return stack, conductor

    async def _ended(self, stack: Stack) -> None:
        self._enter("teardown")
        await stack.stop()

    async def _steady(self, conductor: Conductor, when: Literal["before", "after"]) -> None:
        if when == "before":
            self._enter("steady")
        await conductor.steady(when)

    async def _observe(self, stack: Stack, undo: AsyncExitStack) -> Observers:
        writer = RowWriter(self._folder.events_file("observe"))
        undo.callback(writer.close)
        observers = Observers(
            self._plan, stack, writer=writer, clock=self._clock, registrations_done=lambda: self._progress.done
        )
        undo.push_async_callback(observers.stop)
        await observers.start()
        self._observers = observers
        return observers

    async def _load(
        self, stack: Stack, conductor: Conductor, observers: Observers, crashes: CrashWatch, undo: AsyncExitStack
    ) -> None:
        """The load and the faults beside it. The load ends by itself, by its deadline or by an abort rule."""
        self._enter("load")
        driver = LoadDriver(self._plan, self._folder, client=stack.client, clock=self._clock, ledger=self._ledger)
        undo.push_async_callback(driver.stop, STOP_LOAD_TIMEOUT_S)
        for said in invitation(self._plan):
            self._note("load", said)
        await driver.start()
        self._driver = driver
        async with asyncio.TaskGroup() as group:
            faults = group.create_task(conductor.run(self._clock.now_ns()))
            aborting = group.create_task(self._watch_abort(driver, conductor))
            watching = [
                group.create_task(crashes.keep_looking()),
                group.create_task(observers.broken()),
                group.create_task(watch_own(self._writer, self._clock, driver.figures)),
            ]
            try:
                ended = await driver.wait()
            finally:
                conductor.load_ended()  # Interrupted or not: no fault waits any longer for what won't come.
            aborting.cancel()
            if ended.detail:
                self._note("load", ended.detail)
            if self.aborted:
                faults.cancel()  # What is in force is healed next; nobody waits for its time to be over.
            await asyncio.wait([faults])
            for task in watching:
                task.cancel()

    async def _settle(self, stack: Stack, conductor: Conductor, observers: Observers, crashes: CrashWatch) -> None:
        """Heal, let the steady state come back, leave the system alone, then take the samples that count."""
        self._enter("heal")
        crashes.look()
        await conductor.heal_all(until_end=False)
        if not stack.is_running(Service.BACKEND):
            self._note("restart", "the backend was away after the load; started again for the final read")
            await stack.start_service(Service.BACKEND)
        crashes.look()
        await self._steady(conductor, "after")
        self._enter("settle")
        await conductor.entered("settle")
        await asyncio.sleep(self._plan.scenario.observe.settle_s)
        await observers.final()

    async def _check(self, stack: Stack, conductor: Conductor, observers: Observers) -> None:
        """The checks that the scenario asks for. They open clients and inject faults: no sample is taken meanwhile."""
        if self._plan.scenario.checks:
            self._enter("checks")
            await observers.stop()
            await run_checks(self._plan, stack.backend, self._folder, clock=self._clock, breaker=conductor)

    async def _watch_abort(self, driver: LoadDriver, conductor: Conductor) -> None:
        """Ends the load when a rule says so; what is in flight gets its answers, and the run goes on to its end."""
        load = self._plan.scenario.load
        watch = AbortWatch(self._plan.scenario.abort, self._clock.now_ns())
        while not self.aborted:
            await asyncio.sleep(TICK_S)
            driver.read()
            leaks = self._observers.latest.leaks if self._observers else None
            self.aborted = watch.check(
                self._clock.now_ns(), driver.recent, in_force=bool(conductor.in_force), leaks=leaks
            )
        self._note("abort", self.aborted)
        await driver.stop(load.request_timeout_s + STOP_LOAD_TIMEOUT_S)

    def _crashed(self) -> None:
        self._note("crash", f"the backend ended by itself after {self._progress.done} registrations")

    async def _tick(self) -> None:
        while True:
            self._watch.show(self._view())
            await asyncio.sleep(TICK_S)

    def _view(self) -> LiveView:
        latest = self._observers.latest if self._observers else Latest()
        return LiveView(
            scenario=self._plan.scenario.name,
            phase=self.phase,
            elapsed_s=self._clock.now_ns() / NS_PER_S,
            progress=self._progress,
            lately=self._driver.lately() if self._driver else Lately(),
            wire=self._wire.open_connections(),
            lag_limit_ms=self._plan.scenario.load.lag_limit_ms,
            faults=self._conductor.in_force if self._conductor else [],
            leaks=latest.leaks,
            claimed=latest.claimed,
            server=latest.server,
        )

    @property
    def _progress(self) -> Progress:
        return self._driver.progress if self._driver else Progress(planned=self._plan.scenario.load.registrations)

    def _enter(self, phase: PhaseName) -> None:
        if phase == self.phase == "teardown":
            return
        self.phase = phase
        self._writer.append(Phase(at_ns=self._clock.now_ns(), phase=phase), now=True)
        self._watch.show(self._view())

    def _stack_says(self, text: str) -> None:
        self._note("stack", text)

    def _note(self, subject: str, text: str) -> None:
        self._writer.append(Note(at_ns=self._clock.now_ns(), subject=subject, text=text), now=True)
        self._watch.tell(f"{subject}: {text}")


@contextmanager
def cancelled_by_signals() -> Iterator[None]:
    """Within, the first SIGINT or SIGTERM cancels the current task; later ones change nothing: it is ending already."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    asked = False

    def end() -> None:
        nonlocal asked
        if not asked:
            asked = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
