"""Resources of the backend's process: memory, descriptors, threads, processor time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.live.stack import Service, Stack
from harness.record.schema import Process, Row


class ProcessSource:
    """Asks the stack in a thread, since an engine may take its time to answer."""

    name = "process"

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    async def sample(self, at_ns: Callable[[], int], registrations_done: int) -> list[Row]:
        """One `Process` row for the backend."""
        figures = await asyncio.to_thread(self._stack.figures, Service.BACKEND)
        return [
            Process(
                at_ns=at_ns(),
                process=Service.BACKEND,
                pid=figures.pid,
                alive=figures.alive,
                rss_bytes=figures.rss_bytes,
                descriptors=figures.descriptors,
                threads=figures.threads,
                cpu_s=figures.cpu_s,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""
