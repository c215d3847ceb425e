"""The loop where there is no `epoll`: asyncio's selector loop, in the same thread's place."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Callable

from harness.clock import NS_PER_S, monotonic_ns
from harness.proxy.plane.items import Timer
from harness.proxy.plane.reactor import IN, OUT, Watcher


class AsyncioReactor:
    """See `reactor.Reactor`. A broken connection shows as readable here, so `ERR` and `HUP` need no watching."""

    def __init__(self) -> None:
        self._loop = asyncio.SelectorEventLoop()
        self._watchers: dict[int, Watcher] = {}

    @property
    def now_ns(self) -> int:
        return monotonic_ns()

    def register(self, descriptor: int, events: int, watcher: Watcher) -> None:
        self._watchers[descriptor] = watcher
        self.modify(descriptor, events)

    def modify(self, descriptor: int, events: int) -> None:
        watcher = self._watchers[descriptor]
        if events & IN:
            self._loop.add_reader(descriptor, self._guarded, descriptor, self._read, watcher)
        else:
            self._loop.remove_reader(descriptor)
        if events & OUT:
            self._loop.add_writer(descriptor, self._guarded, descriptor, watcher.ready, OUT)
        else:
            self._loop.remove_writer(descriptor)

    def unregister(self, descriptor: int) -> None:
        if self._watchers.pop(descriptor, None) is not None:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)

    def call_at(self, at_ns: int, call: Callable[[], None]) -> Timer:
        return self._loop.call_later(max(0, at_ns - monotonic_ns()) / NS_PER_S, call)

    def close_later(self, sock: socket.socket) -> None:
        self._loop.call_soon(sock.close)

    def post(self, call: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(call)

    def stop(self) -> None:
        self.post(self._loop.stop)

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _read(self, watcher: Watcher) -> None:
        """Looked up late: a watcher changes how it reads."""
        watcher.read()

    def _guarded(self, descriptor: int, call: Callable[..., None], *arguments: object) -> None:
        if descriptor not in self._watchers:
            return
        try:
            call(*arguments)
        except Exception:  # noqa: BLE001 - one connection's trouble must not end all the others
            traceback.print_exc()
            self._watchers[descriptor].failed()
