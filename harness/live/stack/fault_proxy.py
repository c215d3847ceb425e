"""The fault proxy as a process: the built-in one, or a `toxiproxy-server` where that is asked for."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.clock import WaitTimeout, wait_until
from harness.live.child import Child
from harness.live.children import ChildLedger
from harness.live.stack.edges import Edges
from harness.live.stack.model import Address, EnvironmentTrouble
from harness.live.stack.ports import Reservation

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
TOXIPROXY = "toxiproxy-server"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyChoice:
    """Which program: the built-in proxy writes its connections as rows to `events` and repeats with the `seed`."""

    events: Path
    origin_ns: int
    seed: int
    real: bool = False

    def argv(self, control: Address) -> list[str]:
        """Raises `EnvironmentTrouble` where the real one is asked for and missing."""
        where = ["--host", control.host, "--port", str(control.port)]
        if not self.real:
            rows = ["--events", str(self.events), "--origin-ns", str(self.origin_ns), "--seed", str(self.seed)]
            return [sys.executable, "-m", "harness.proxy", *where, *rows]
        program = shutil.which(TOXIPROXY)
        if program is None:
            raise EnvironmentTrouble(f"no {TOXIPROXY} on the PATH; install it, or use the built-in proxy")
        return [program, *(part.replace("--", "-") for part in where), "-seed", str(self.seed)]


class FaultProxy:
    """One proxy process on a fixed control address; `edges` drives it."""

    def __init__(self, choice: ProxyChoice, *, log: Path, ledger: ChildLedger) -> None:
        self._choice = choice
        self._reservation = Reservation()
        self._log = log
        self._ledger = ledger
        self.edges = Edges(self._reservation.address)
        self.child: Child | None = None

    async def start(self) -> str:
        """Start it and wait for its version; the edges have to be created afterwards."""
        self.child = Child.start(
            "proxy", self._choice.argv(self._reservation.address), log=self._log, ledger=self._ledger
        )
        try:
            version = await self._answered(self.child)
        except WaitTimeout:
            await self.child.kill()
            raise
        return f"{'toxiproxy' if self._choice.real else 'built-in'} {version}"

    async def stop(self) -> None:
        if self.child:
            await self.child.end(timeout_s=STOP_TIMEOUT_S)

    def release(self) -> None:
        self._reservation.release()
        self.edges.close()

    async def _answered(self, child: Child) -> str:
        answers: list[str] = []

        async def asked() -> bool:
            if child.is_running():
                answers.append(await self.edges.version())
            return True

        await wait_until(asked, what="the fault proxy to tell its version", timeout_s=START_TIMEOUT_S)
        if not answers:
            raise child.died_early("see its output")
        return answers[0]
