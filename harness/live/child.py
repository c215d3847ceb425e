"""A child process of the run: started in a session of its own, logged, entered in the ledger, ended with a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.clock import WaitTimeout, wait_until
from harness.live.children import ChildLedger, Entry
from harness.live.figures import of_family
from harness.live.processes import Identity, family, freeze, lives, send, slay
from harness.live.stack.model import EnvironmentTrouble, ProcessFigures

GONE_TIMEOUT_S = 10.0
LOG_TAIL_LINES = 15


class Child:
    """One started program with all the processes it starts."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, ledger: ChildLedger) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._ledger = ledger
        self._entry: Entry = ledger.process(name, process.pid)
        self.identity: Identity = self._entry.identity

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        ledger: ChildLedger,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
    ) -> Child:
        """Start `argv` with the harness's environment and `env` on top; both its outputs are appended to `log`.

        Raises `EnvironmentTrouble` where the program can't be started at all.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **(env or {}), **ledger.environment}
        with log.open("ab") as output:
            try:
                process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise EnvironmentTrouble(f"{name}: can't start {argv[0]}: {error.strerror or error}") from error
        return cls(name, process, log, ledger)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._process.poll()

    def is_running(self) -> bool:
        return self.exit_code is None

    def send(self, number: signal.Signals) -> bool:
        """Signal the first process only; False where it is gone."""
        return self.is_running() and send(self.identity, number)

    def pause(self) -> None:
        """Freeze every process of the family."""
        freeze(self.identity)

    def resume(self) -> None:
        """Thaw every process of the family; nothing happens to one that isn't frozen."""
        for member in family(self.identity):
            send(member, signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL the family and wait until the last of it is gone. Raises `WaitTimeout`."""
        members = slay(self.identity)
        await self._until_gone(members, GONE_TIMEOUT_S)

    async def end(self, *, timeout_s: float, by: signal.Signals = signal.SIGTERM) -> bool:
        """Ask with `by`, wait `timeout_s`, then kill what is left. Returns whether it ended by being asked.

        A child that has ended already is seen to be gone, which takes it out of the ledger.
        """
        members = family(self.identity)
        self.send(by)
        self.resume()  # A frozen process only hears the request once it thaws.
        try:
            await self._until_gone(members, timeout_s)
        except WaitTimeout:
            await self.kill()
            return False
        if family(self.identity):
            await self.kill()
        return True

    def figures(self) -> ProcessFigures:
        """Sums over the family."""
        return of_family(self.identity)

    def log_tail(self) -> str:
        """The last lines of its output, for an error message."""
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines) or "    (no output)"

    def died_early(self, remedy: str) -> EnvironmentTrouble:
        return EnvironmentTrouble(
            f"{self.name} ended with code {self.exit_code} before it was ready; {remedy}; "
            f"{self.log} ends:\n{self.log_tail()}"
        )

    async def _until_gone(self, members: list[Identity], timeout_s: float) -> None:
        def gone() -> bool:
            return not self.is_running() and not any(lives(member) for member in members)

        await wait_until(gone, what=f"the end of {self.name}", timeout_s=timeout_s, interval_s=0.005)
        self._ledger.release(self._entry)
