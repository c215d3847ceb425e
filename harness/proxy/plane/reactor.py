"""What the data plane asks of its loop; `epoll.py` is the fast one, `fallback.py` the one for other systems."""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol

from harness.proxy.plane.items import Timer

IN, OUT, ERR, HUP = 0x1, 0x4, 0x8, 0x10


class Watcher(Protocol):
    """Whoever owns a descriptor: `read` when it can be read and nothing else happened, `ready` for all else."""

    read: Callable[[], None]

    def ready(self, events: int) -> None: ...

    def failed(self) -> None:
        """`read` or `ready` raised: give up what depends on the descriptor."""


class Reactor(Protocol):
    """A loop in a thread of its own. All but `post` and `stop` may be called in that thread only."""

    @property
    def now_ns(self) -> int:
        """The monotonic clock when the events at hand were taken."""

    def register(self, descriptor: int, events: int, watcher: Watcher) -> None: ...

    def modify(self, descriptor: int, events: int) -> None: ...

    def unregister(self, descriptor: int) -> None: ...

    def call_at(self, at_ns: int, call: Callable[[], None]) -> Timer: ...

    def close_later(self, sock: socket.socket) -> None:
        """Close once the events at hand are dealt with, so that no new socket takes the number of an old one."""

    def post(self, call: Callable[[], None]) -> None:
        """Run `call` in the loop's thread; any thread may ask."""

    def run(self) -> None: ...

    def stop(self) -> None: ...


def new_reactor() -> Reactor:
    """The best loop that this system has."""
    if hasattr(select, "epoll"):
        from harness.proxy.plane.epoll import EpollReactor

        return EpollReactor()
    from harness.proxy.plane.fallback import AsyncioReactor

    return AsyncioReactor()


class Posted:
    """Calls from other threads, run in order."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()

    def add(self, call: Callable[[], None]) -> None:
        self._calls.append(call)

    def __bool__(self) -> bool:
        return bool(self._calls)

    def run(self, guarded: Callable[[Callable[[], None]], None]) -> None:
        """Those that are there now; what they add in turn waits for the next round."""
        for _ in range(len(self._calls)):
            guarded(self._calls.popleft())
