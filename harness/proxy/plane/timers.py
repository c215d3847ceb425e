"""Calls at moments to come, in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class HeapTimer:
    """One call to come; cancelled ones stay in the heap until their time and do nothing."""

    __slots__ = ("at_ns", "call", "order")

    def __init__(self, at_ns: int, order: int, call: Callable[[], None]) -> None:
        self.at_ns = at_ns
        self.order = order
        self.call: Callable[[], None] | None = call

    def __lt__(self, other: HeapTimer) -> bool:
        return (self.at_ns, self.order) < (other.at_ns, other.order)

    def cancel(self) -> None:
        self.call = None


class Timers:
    def __init__(self) -> None:
        self._heap: list[HeapTimer] = []
        self._order = 0

    def add(self, at_ns: int, call: Callable[[], None]) -> HeapTimer:
        self._order += 1
        timer = HeapTimer(at_ns, self._order, call)
        heapq.heappush(self._heap, timer)
        return timer

    def next_ns(self) -> int | None:
        """When the next call is due; null where none is."""
        heap = self._heap
        while heap and heap[0].call is None:
            heapq.heappop(heap)
        return heap[0].at_ns if heap else None

    def pop_due(self, now_ns: int) -> Callable[[], None] | None:
        """Take out one call whose time has come; one at a time, for a call may cancel the next."""
        due_ns = self.next_ns()
        if due_ns is None or due_ns > now_ns:
            return None
        return heapq.heappop(self._heap).call
