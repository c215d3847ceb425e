"""Whether the backend ended by itself: it is away, and no fault is on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.live.stack import Service

POLL_S = 0.1


class CrashWatch:
    """Looks at the backend's process. `is_running` and `broken` say what is; `tell` is called once for each crash."""

    def __init__(
        self,
        *,
        is_running: Callable[[Service], bool],
        broken: Callable[[], frozenset[Service]],
        tell: Callable[[], None],
    ) -> None:
        self._is_running = is_running
        self._broken = broken
        self._tell = tell
        self._was_running = True

    def look(self) -> None:
        """Look now: whoever is about to start the backend anew must, or a crash just before is never seen."""
        running = self._is_running(Service.BACKEND)
        if self._was_running and not running and Service.BACKEND not in self._broken():
            self._tell()
        self._was_running = running

    async def keep_looking(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(POLL_S)
