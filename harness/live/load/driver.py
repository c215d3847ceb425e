"""The parent side of the load: starts the workers, tells how far they are, ends them. Never imports locust."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass
from pathlib import Path

from harness.clock import NS_PER_MS, NS_PER_S, Clock
from harness.live.child import Child
from harness.live.children import ChildLedger
from harness.live.load.arrival import arrivals
from harness.live.load.crew import started
from harness.live.load.recent import Recent, nearest_rank
from harness.live.progress import Lately, Progress
from harness.live.stack import Address, EnvironmentTrouble
from harness.live.stack.model import ProcessFigures
from harness.plan import Plan
from harness.record.folder import RunFolder, write_whole

POLL_S = 0.02
GRACE_S = 10.0
READY_TIMEOUT_S = 90.0
# People start the workers of other machines by hand.
REMOTE_READY_TIMEOUT_S = 600.0
SILENCE_NS = 2 * NS_PER_S
LATELY_S = 5.0
# Workers look for the moment to begin every few milliseconds; this is time enough for all of them to have seen it.
HEAD_START_NS = 50 * NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadEnd:
    """How the load ended; `detail` is empty where every worker ended by itself and in order."""

    detail: str = ""


class LoadDriver:
    """The load workers of one run, each a process with a file of rows of its own."""

    def __init__(self, plan: Plan, folder: RunFolder, *, client: Address, clock: Clock, ledger: ChildLedger) -> None:
        self._plan = plan
        self._folder = folder
        self._client = client
        self._clock = clock
        self._ledger = ledger
        self._planned = arrivals(plan.scenario.load)
        self._children: list[Child] = []
        self._tails: list[Tail] = []
        self.recent = Recent(max((abort.rule.window_s for abort in plan.scenario.abort), default=0.0))

    async def start(self) -> None:
        """Start the workers, and all of them at one moment once every one is up. Raises `EnvironmentTrouble`."""
        load, go = self._plan.scenario.load, self._folder.logs / "load.go"
        self._tails = [Tail(self._folder.events_file(f"load-{index}"), self.recent) for index in range(load.generators)]
        self._children = started(self._plan, self._folder, self._client, go, self._child)
        await self._until_ready(REMOTE_READY_TIMEOUT_S if load.workers else READY_TIMEOUT_S)
        write_whole(go, str(self._clock.now_ns() + HEAD_START_NS))

    def _child(self, name: str, argv: list[str], log: Path) -> Child:
        return Child.start(name, argv, log=log, ledger=self._ledger)

    @property
    def progress(self) -> Progress:
        """How far the workers are, from the rows that they have written."""
        self.read()
        return Progress(
            planned=self._planned,
            started=sum(tail.started for tail in self._tails),
            ok=sum(tail.outcomes["ok"] for tail in self._tails),
            failed=sum(tail.outcomes["failed"] for tail in self._tails),
            unknown=sum(tail.outcomes["unknown"] for tail in self._tails),
            operations=sum(tail.operations for tail in self._tails),
            lag_max_ms=max((tail.lag_max_ms for tail in self._tails), default=0.0),
        )

    def figures(self) -> list[ProcessFigures]:
        """What each process of the load on this machine uses."""
        return [child.figures() for child in self._children if child.is_running()]

    def lately(self) -> Lately:
        """The load's last seconds, and how many of its workers live."""
        now_ns = self._clock.now_ns()
        seen = self.recent.requests(now_ns - round(LATELY_S * NS_PER_S))
        return Lately(
            seconds=LATELY_S,
            requests=len(seen),
            not_ok=sum(one.outcome != "ok" for one in seen),
            p95_ms=nearest_rank([one.response_ms for one in seen], 95),
            workers=len(self._tails),
            workers_running=sum(tail.is_alive(now_ns) for tail in self._tails),
        )

    def read(self) -> None:
        """Take in what the workers have written since the last time."""
        for tail in self._tails:
            tail.read()
        self.recent.forget(self._clock.now_ns())

    async def _until_ready(self, timeout_s: float) -> None:
        """A worker's file has its first row once it can send. Raises `EnvironmentTrouble` where one can't."""
        deadline_ns = self._clock.now_ns() + round(timeout_s * NS_PER_S)
        while True:
            self.read()
            if all(tail.is_begun for tail in self._tails):
                return
            for child in self._children:
                if not child.is_running():
                    raise child.died_early("read why")
            if self._clock.now_ns() > deadline_ns:
                up = sum(tail.is_begun for tail in self._tails)
                raise EnvironmentTrouble(
                    f"after {timeout_s:g} s {up} of {len(self._tails)} load workers were up; see logs/load-*.log"
                )
            await asyncio.sleep(POLL_S)

    async def wait(self) -> LoadEnd:
        """Wait for the workers' end, at most for the scenario's deadline and the time that flows in flight may take."""
        load = self._plan.scenario.load
        deadline_ns = self._clock.now_ns() + round((load.deadline_s + load.request_timeout_s + GRACE_S) * NS_PER_S)
        while any(child.is_running() for child in self._children):
            if self._clock.now_ns() > deadline_ns:
                await self.stop(GRACE_S)
                return LoadEnd(detail="the load workers did not end by their deadline and were stopped")
            await asyncio.sleep(POLL_S)
        lost = [index for index, tail in enumerate(self._tails) if not tail.ended()]
        return LoadEnd(detail="; ".join(self._lost_words(index) for index in lost))

    def _lost_words(self, index: int) -> str:
        """How a worker without a trailer ended, with the last line that it (or the master of it) wrote."""
        child = self._children[0 if self._plan.scenario.load.has_master else index]
        said = child.log_tail().splitlines()[-1].strip()
        if self._plan.scenario.load.has_master:
            return f"load-{index} left without its last word; {child.name} says: {said}"
        code = child.exit_code
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        return f"{child.name} {how} without its last word: {said}"

    async def stop(self, timeout_s: float) -> None:
        """Ask the workers to end (SIGINT, as Locust likes it), and kill them after `timeout_s`.

        Those that have ended by themselves are seen to be gone too, which takes them out of the ledger.
        """
        await asyncio.gather(*(child.end(timeout_s=timeout_s, by=signal.SIGINT) for child in self._children))


class Tail:
    """Counts a worker's rows as they are written, and shows them to `recent`."""

    def __init__(self, path: Path, recent: Recent) -> None:
        self.is_begun = False
        self.started = 0
        self.operations = 0
        self.lag_max_ms = 0.0
        self.outcomes = {"ok": 0, "failed": 0, "unknown": 0}
        self._path = path
        self._offset = 0
        self._trailer = False
        self._told_ns = 0
        self._recent = recent

    def read(self) -> None:
        """Take in the whole lines that have come since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read()
        except FileNotFoundError:
            return
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._count(json.loads(line))

    def is_alive(self, now_ns: int) -> bool:
        """Whether the worker has told of itself lately, as it does four times a second until its trailer."""
        return not self._trailer and now_ns - self._told_ns < SILENCE_NS

    def ended(self) -> bool:
        """Whether the worker has written its trailer."""
        self.read()
        return self._trailer

    def _count(self, row: dict[str, object]) -> None:
        self.is_begun = True
        self._recent.take(row)
        kind, outcome = row["kind"], row.get("outcome")
        if kind == "intent":
            self.started += 1
        elif kind == "request" and row["step"] == "register":
            self.outcomes[str(outcome)] += 1
        elif kind == "request":
            self.operations += 1
        elif kind == "lag":
            self._told_ns = int(str(row["at_ns"]))
            self.lag_max_ms = float(str(row["lag_max_ns"])) / NS_PER_MS
        elif kind == "trailer":
            self._trailer = True
