"""What a killed run would leave broken on services that outlive it, noted in the crash-safe ledger with its remedy.

Services of our own end with the run, whatever was done to them; only those that were there before (`--stack external`)
are worth a note. As a program it reads one `Remedy` from its standard input and applies it, so that no password is in
an argument: `harness clean` runs it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import asyncpg

from harness.live.children import ChildLedger, Entry
from harness.live.observe.redis import session as redis_session
from harness.live.stack import Address, Capability, Service, Stack

TIMEOUT_S = 10.0
ARGV = (sys.executable, "-m", "harness.live.chaos.undo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Statements for Postgres by its URL, settings for Redis by its address."""

    postgres: str = ""
    statements: tuple[str, ...] = ()
    redis: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    async def apply(self) -> None:
        """Raises what asyncpg and redis-py raise where it can't be done."""
        if self.postgres:
            connection = await asyncpg.connect(self.postgres, timeout=TIMEOUT_S, command_timeout=TIMEOUT_S)
            try:
                for statement in self.statements:
                    await connection.execute(statement)
            finally:
                connection.terminate()
        if self.redis:
            host, _, port = self.redis.rpartition(":")
            async with redis_session(Address(host, int(port))) as client:
                for name, value in self.settings.items():
                    await client.config_set(name, value)


class Undoing:
    """Keeps the notes of one run; where there is no ledger, or the services are our own, there is nothing to note."""

    def __init__(self, stack: Stack, ledger: ChildLedger | None) -> None:
        self._stack = stack
        self._ledger = ledger
        self._noted: dict[str, Entry] = {}

    def note(self, service: Service, name: str, remedy: Remedy) -> None:
        """To be called before the service is touched. One note a name: the first says how it was before."""
        ours = (service, Capability.KILL) in self._stack.capabilities
        if self._ledger and not ours and name not in self._noted:
            self._noted[name] = self._ledger.heal(name, ARGV, stdin=json.dumps(asdict(remedy)))

    def done(self, name: str) -> None:
        """It is healed; nothing happens where nothing was noted."""
        if self._ledger and (entry := self._noted.pop(name, None)):
            self._ledger.release(entry)


def main() -> int:
    given = json.load(sys.stdin)
    asyncio.run(Remedy(**{**given, "statements": tuple(given["statements"])}).apply())
    return 0


if __name__ == "__main__":
    sys.exit(main())
