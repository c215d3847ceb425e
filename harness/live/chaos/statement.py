"""Waits until Postgres executes a statement of a kind: the moment in which a registration is half done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

import asyncpg

from harness.live.chaos.admin import opened
from harness.live.observe.postgres import APPLICATION
from harness.live.stack import Stack

POLL_S = 0.003
ACTIVE = """
SELECT true FROM pg_stat_activity
WHERE state = 'active' AND application_name <> $1 AND ltrim(query) ILIKE $2 LIMIT 1
"""


class Statements:
    """A session that looks at what the others do."""

    def __init__(self, stack: Stack, start: str) -> None:
        self._stack = stack
        self._pattern = start.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        self._session: asyncpg.Connection | None = None

    async def __aenter__(self) -> Statements:
        self._session = await opened(self._stack)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.terminate()

    async def seen(self, *, until: Callable[[], bool]) -> bool:
        """Whether such a statement was executing at a moment before `until` held."""
        assert self._session is not None
        while not until():
            if await self._session.fetchval(ACTIVE, APPLICATION, self._pattern):
                return True
            await asyncio.sleep(POLL_S)
        return False
