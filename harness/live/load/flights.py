"""Pieces of work in flight at once, each on a greenlet that is kept for the next piece.

A new greenlet needs a stack of its own from the kernel and a dozen objects, which at a few hundred a second costs more
than what a request does itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent import get_hub
from gevent.hub import Waiter
from gevent.lock import BoundedSemaphore

# What is handed to an idle greenlet in place of work when there will be no more.
_NO_MORE = None


class Flights:
    """Performs `work(*arguments)` on as many greenlets as are needed at once, at most `most`."""

    def __init__(self, work: Callable[..., None], most: int) -> None:
        self._work = work
        self._free = BoundedSemaphore(most)
        self._greenlets: list[gevent.Greenlet] = []
        self._idle: list[Any] = []
        self._is_over = False
        self._hub = get_hub()

    def start(self, *arguments: Any) -> None:
        """Begin a piece of work once this greenlet waits for something. Waits itself where `most` are in flight."""
        self._free.acquire()
        if self._idle:
            self._hub.loop.run_callback(self._idle.pop().switch, arguments)
        else:
            self._greenlets.append(gevent.spawn(self._perform, arguments))

    def join(self) -> None:
        """Wait until nothing is in flight any more; nothing may be started afterwards."""
        self._is_over = True
        while self._idle:
            self._hub.loop.run_callback(self._idle.pop().switch, _NO_MORE)
        gevent.joinall(self._greenlets)

    def _perform(self, arguments: tuple[Any, ...] | None) -> None:
        waiter = Waiter(self._hub)
        while arguments is not _NO_MORE:
            try:
                self._work(*arguments)
            finally:
                self._free.release()
            if self._is_over:
                return
            self._idle.append(waiter)
            arguments = waiter.get()
            waiter.clear()
