"""The parent side of the load: starts the workers, tells how far they are, ends them. Never imports locust."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.clock import NS_PER_MS, NS_PER_S, Clock
from harness.live.child import Child
from harness.live.children import ChildLedger
from harness.live.load.arrival import arrivals
from harness.live.progress import Progress
from harness.live.stack import Address
from harness.plan import Plan
from harness.record.folder import RunFolder

POLL_S = 0.02
GRACE_S = 10.0


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

    async def start(self) -> None:
        """Start the workers; they begin to send as soon as they are up."""
        count = self._plan.scenario.load.processes
        for index in range(count):
            name = f"load-{index}"
            events = self._folder.events_file(name)
            argv = [sys.executable, "-m", "harness.live.load.worker", "--plan", str(self._folder.plan_file)]
            argv += ["--events", str(events), "--host", str(self._client), "--worker", f"{index}/{count}"]
            log = self._folder.logs / f"{name}.log"
            self._children.append(Child.start(name, argv, log=log, ledger=self._ledger))
            self._tails.append(Tail(events))

    @property
    def progress(self) -> Progress:
        """How far the workers are, from the rows that they have written."""
        for tail in self._tails:
            tail.read()
        return Progress(
            planned=self._planned,
            started=sum(tail.started for tail in self._tails),
            ok=sum(tail.outcomes["ok"] for tail in self._tails),
            failed=sum(tail.outcomes["failed"] for tail in self._tails),
            unknown=sum(tail.outcomes["unknown"] for tail in self._tails),
            operations=sum(tail.operations for tail in self._tails),
            lag_max_ms=max((tail.lag_max_ms for tail in self._tails), default=0.0),
        )

    async def wait(self) -> LoadEnd:
        """Wait for the workers' end, at most for the scenario's deadline and the time that flows in flight may take."""
        load = self._plan.scenario.load
        deadline_ns = self._clock.now_ns() + round((load.deadline_s + load.request_timeout_s + GRACE_S) * NS_PER_S)
        while any(child.is_running() for child in self._children):
            if self._clock.now_ns() > deadline_ns:
                await self.stop(GRACE_S)
                return LoadEnd(detail="the load workers did not end by their deadline and were stopped")
            await asyncio.sleep(POLL_S)
        lost = [lost_words(child) for child, tail in zip(self._children, self._tails, strict=True) if not tail.ended()]
        return LoadEnd(detail="; ".join(lost))

    async def stop(self, timeout_s: float) -> None:
        """Ask the workers to end (SIGINT, as Locust likes it), and kill them after `timeout_s`.

        Those that have ended by themselves are seen to be gone too, which takes them out of the ledger.
        """
        await asyncio.gather(*(child.end(timeout_s=timeout_s, by=signal.SIGINT) for child in self._children))


def lost_words(child: Child) -> str:
    """How a worker without a trailer ended, with the last line it wrote."""
    code = child.exit_code
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
    return f"{child.name} {how} without its last word: {child.log_tail().splitlines()[-1].strip()}"


class Tail:
    """Counts a worker's rows as they are written."""

    def __init__(self, path: Path) -> None:
        self.started = 0
        self.operations = 0
        self.lag_max_ms = 0.0
        self.outcomes = {"ok": 0, "failed": 0, "unknown": 0}
        self._path = path
        self._offset = 0
        self._trailer = False

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

    def ended(self) -> bool:
        """Whether the worker has written its trailer."""
        self.read()
        return self._trailer

    def _count(self, row: dict[str, object]) -> None:
        kind, outcome = row["kind"], row.get("outcome")
        if kind == "intent":
            self.started += 1
        elif kind == "request" and row["step"] == "register":
            self.outcomes[str(outcome)] += 1
        elif kind == "request":
            self.operations += 1
        elif kind == "lag":
            self.lag_max_ms = float(str(row["lag_max_ns"])) / NS_PER_MS
        elif kind == "trailer":
            self._trailer = True
