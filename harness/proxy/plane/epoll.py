"""The fast loop: `epoll`, level-triggered, with as few calls for each event as Python allows."""

from __future__ import annotations

import os
import select
import socket
import traceback
from collections.abc import Callable

from harness.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from harness.proxy.plane.reactor import IN, Posted, Watcher
from harness.proxy.plane.timers import HeapTimer, Timers

BATCH = 128
"""Events taken at once: bounds how long control waits for the data plane."""


class EpollReactor:
    """See `reactor.Reactor`."""

    def __init__(self) -> None:
        self.now_ns = monotonic_ns()
        self._epoll = select.epoll()
        self._watchers: dict[int, Watcher] = {}
        self._timers = Timers()
        self._posted = Posted()
        self._leaving: list[socket.socket] = []
        self._waker = _Waker()
        self._running = True
        self.register(self._waker.descriptor, IN, self._waker)

    def register(self, descriptor: int, events: int, watcher: Watcher) -> None:
        self._watchers[descriptor] = watcher
        self._epoll.register(descriptor, events)

    def modify(self, descriptor: int, events: int) -> None:
        self._epoll.modify(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        if self._watchers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def call_at(self, at_ns: int, call: Callable[[], None]) -> HeapTimer:
        return self._timers.add(at_ns, call)

    def close_later(self, sock: socket.socket) -> None:
        self._leaving.append(sock)

    def post(self, call: Callable[[], None]) -> None:
        self._posted.add(call)
        self._waker.wake()

    def stop(self) -> None:
        def halt() -> None:
            self._running = False

        self.post(halt)

    def run(self) -> None:
        while self._running:
            self._serve(self._poll())
            self._run_timers()
            self._posted.run(_guarded)
            if self._leaving:
                self._close_leaving()
        self._epoll.close()
        self._waker.close()

    def _serve(self, events: list[tuple[int, int]]) -> None:
        self.now_ns = monotonic_ns()
        watchers = self._watchers
        for descriptor, mask in events:
            watcher = watchers.get(descriptor)
            if watcher is None:
                continue
            try:
                if mask == IN:
                    watcher.read()
                else:
                    watcher.ready(mask)
            except Exception:  # noqa: BLE001 - one connection's trouble must not end all the others
                traceback.print_exc()
                watcher.failed()

    def _poll(self) -> list[tuple[int, int]]:
        """Wait for events, until the next timer at most. `select` waits to the microsecond where `epoll` can't."""
        if self._leaving or self._posted:
            return self._epoll.poll(0, BATCH)
        due_ns = self._timers.next_ns()
        if due_ns is None:
            return self._epoll.poll(-1, BATCH)
        left_ns = due_ns - monotonic_ns()
        if left_ns <= 0:
            return self._epoll.poll(0, BATCH)
        if left_ns < 2 * NS_PER_MS:
            select.select([self._epoll], [], [], left_ns / NS_PER_S)
            return self._epoll.poll(0, BATCH)
        return self._epoll.poll((left_ns - NS_PER_MS) / NS_PER_S, BATCH)

    def _run_timers(self) -> None:
        if self._timers.next_ns() is None:
            return
        self.now_ns = monotonic_ns()
        for _ in range(BATCH):
            call = self._timers.pop_due(self.now_ns)
            if call is None:
                return
            _guarded(call)

    def _close_leaving(self) -> None:
        leaving, self._leaving = self._leaving, []
        for sock in leaving:
            sock.close()


def _guarded(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:  # noqa: BLE001 - a posted call tells its own failure; what is left over must not end the loop
        traceback.print_exc()


class _Waker:
    """Lets another thread end the wait."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.read: Callable[[], None] = self._drain

    def wake(self) -> None:
        os.eventfd_write(self.descriptor, 1)

    def ready(self, events: int) -> None:
        self._drain()

    def failed(self) -> None:
        """Nothing depends on one wake-up: the loop runs what was posted in every round."""

    def close(self) -> None:
        os.close(self.descriptor)

    def _drain(self) -> None:
        os.eventfd_read(self.descriptor)
