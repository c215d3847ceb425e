"""Blocking work of an asyncio program: done in a thread, and never abandoned half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, on_cancel: Callable[[], None] = lambda: None) -> T:
    """Run `work` in a thread. A cancelled caller waits until it is over before the cancellation goes on.

    A thread can't be ended from outside: work that went on by itself would make things (a container, a folder) behind
    the back of whoever is cleaning up. `on_cancel` may tell the work to hurry.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        on_cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # Seen: the cancellation is what is told.
        raise
