"""The backend under test as a process, on a fixed address, wired to the fault proxy by its command's placeholders."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from harness.clock import WaitTimeout, wait_until
from harness.live.child import Child
from harness.live.children import ChildLedger
from harness.live.stack.model import Address, BackendCommand, EnvironmentTrouble, PostgresAccess
from harness.live.stack.ports import Reservation

REDIS_DATABASE = 0


def placeholders(*, listen: Address, postgres: PostgresAccess, redis: Address) -> dict[str, str]:
    """Values of the placeholders of a `BackendCommand`; `postgres` and `redis` are the addresses that it shall use."""
    return {
        "host": listen.host,
        "port": str(listen.port),
        "postgres_url": postgres.url(),
        "postgres_host": postgres.address.host,
        "postgres_port": str(postgres.address.port),
        "postgres_user": postgres.user,
        "postgres_password": postgres.password,
        "control_database": postgres.control_database,
        "redis_url": f"redis://{redis}/{REDIS_DATABASE}",
        "redis_host": redis.host,
        "redis_port": str(redis.port),
        "python": sys.executable,
    }


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values for placeholders; other braces (JSON in a variable, say) stay as they are."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


class BackendProcess:
    """One backend; every start appends to the same log."""

    def __init__(self, command: BackendCommand, *, log: Path, ledger: ChildLedger) -> None:
        self.command = command
        self._reservation = Reservation()
        self._log = log
        self._ledger = ledger
        self.child: Child | None = None

    @property
    def address(self) -> Address:
        return self._reservation.address

    async def start(self, values: Mapping[str, str]) -> None:
        """Start it and wait for its ready path. Raises `EnvironmentTrouble` where it ends before, `WaitTimeout`."""
        self.child = Child.start(
            "backend",
            [fill(part, values) for part in self.command.argv],
            env={name: fill(value, values) for name, value in self.command.env.items()},
            cwd=self.command.cwd,
            log=self._log,
            ledger=self._ledger,
        )
        try:
            await self._ready(self.child)
        except WaitTimeout as error:
            await self.child.kill()
            raise EnvironmentTrouble(f"{error}; {self._log} ends:\n{self.child.log_tail()}") from error

    async def stop(self) -> None:
        if self.child:
            await self.child.end(timeout_s=self.command.stop_timeout_s)

    def release(self) -> None:
        self._reservation.release()

    async def _ready(self, child: Child) -> None:
        await until_ready(
            f"http://{self.address}{self.command.ready}",
            timeout_s=self.command.ready_timeout_s,
            ended=lambda: not child.is_running(),
        )
        if not child.is_running():
            raise child.died_early(f"run {os.path.basename(self.command.argv[0])} by hand to see why")  # noqa: PTH119


async def until_ready(url: str, *, timeout_s: float, ended: Callable[[], bool] = lambda: False) -> None:
    """Wait until a GET of `url` answers 2xx, or until `ended()`; raises `WaitTimeout` with what was last seen."""
    last = "nothing yet"
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:

        async def ready() -> bool:
            nonlocal last
            if ended():
                return True
            try:
                answer = await client.get(url)
            except httpx.HTTPError as error:
                last = f"{type(error).__name__}: {error}"
                return False
            last = f"status {answer.status_code}"
            return answer.is_success

        await wait_until(ready, what=f"the backend to answer {url}", timeout_s=timeout_s, last_seen=lambda: last)
