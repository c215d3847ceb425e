"""One toxic at work on one direction of one connection: runs its generator, keeps what waits for it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.proxy.plane.items import NEXT, Chunk, Ending, Got, Item, Pipe, Signal, Timer, Wait, size_of
from harness.proxy.toxics.base import Tally

if TYPE_CHECKING:
    from harness.proxy.plane.lane import Lane
    from harness.proxy.plane.live_toxic import LiveToxic


class Stage:
    """A link of a lane's chain; to its toxic it is the `Line` of `toxics/base.py`."""

    __slots__ = ("_dice", "_interrupted", "_lane", "_pipe", "_queue", "_timer", "_wait",
                 "forward", "memory", "over", "queued_bytes", "toxic", "was_open")  # fmt: skip

    def __init__(self, toxic: LiveToxic, lane: Lane, *, was_open: bool) -> None:
        self.toxic = toxic
        self.was_open = was_open
        self.forward: Callable[[Item], None] = lane.outlet.deliver
        self.memory: Any = toxic.behaviour.new_memory(at_start=lane.received == 0)
        self.over = False
        self.queued_bytes = 0
        self._lane = lane
        self._queue: deque[Item] = deque()
        self._wait: Wait = NEXT
        self._timer: Timer | None = None
        self._interrupted = False
        self._dice: random.Random | None = None
        self._pipe: Pipe = toxic.behaviour.pipe(self)

    def start(self) -> None:
        self._advance(None)

    def push(self, item: Item) -> None:
        if not self.over:
            self._queue.append(item)
            self.queued_bytes += size_of(item)
            self._pump()

    def renew(self) -> None:
        """The toxic's attributes have changed: let go of what is held, go on with the new ones."""
        self._interrupt()
        if self.over:
            return
        if self.toxic.behaviour.lets_go_on_change:
            self._pass_queue_on()
        self._interrupted = False
        self._wait = NEXT
        self._pipe = self.toxic.behaviour.pipe(self)
        self._advance(None)
        self._pump()

    def remove(self) -> None:
        """Let go of everything, in order."""
        self._interrupt()
        if not self.over:
            self.toxic.behaviour.leave(self)
            self._pass_queue_on()
        self.discard()

    def discard(self) -> None:
        """Forget everything; the connection is gone."""
        self.over = True
        self.queued_bytes = 0
        self._queue.clear()
        self._cancel_timer()

    # what a toxic asks of its line

    @property
    def tally(self) -> Tally:
        return self.toxic.tally

    @property
    def now_ns(self) -> int:
        return self._lane.now_ns

    @property
    def compat(self) -> bool:
        return self._lane.connection.settings.compat

    @property
    def dice(self) -> random.Random:
        if self._dice is None:
            self._dice = self._lane.connection.dice(self.toxic.name, "pipe")
        return self._dice

    def send(self, item: Item) -> None:
        if self.over or (isinstance(item, Chunk) and not item.data):
            return
        self.over = isinstance(item, Ending)
        self.forward(item)

    def put_back(self, item: Item) -> None:
        self._queue.appendleft(item)
        self.queued_bytes += size_of(item)

    def reset(self) -> None:
        self._lane.connection.abort(by="toxic")

    def cut_client(self) -> None:
        self._lane.connection.cut_client()

    def hit(self) -> None:
        self._lane.connection.note_toxic(self.toxic.name)

    def _pump(self) -> None:
        while self._queue and self._wait.item and not self.over and not self._interrupted:
            item = self._queue.popleft()
            self.queued_bytes -= size_of(item)
            self._advance(item)

    def _advance(self, got: Got | None) -> None:
        """Resume the toxic with what it waited for (null at its start), until it waits again or has ended."""
        self._cancel_timer()
        try:
            self._wait = next(self._pipe) if got is None else self._pipe.send(got)
        except StopIteration:
            self.discard()
            return
        if self._wait.until_ns is not None and not self.over and not self._interrupted:
            self._timer = self._lane.connection.reactor.call_at(self._wait.until_ns, self._time_up)

    def _time_up(self) -> None:
        self._timer = None
        self._advance(Signal.TIME_UP)
        self._pump()
        self._lane.regulate()

    def _interrupt(self) -> None:
        self._cancel_timer()
        self._interrupted = True
        while not self.over and not self._wait.item:
            self._advance(Signal.INTERRUPTED)

    def _pass_queue_on(self) -> None:
        while self._queue and not self.over:
            item = self._queue.popleft()
            self.queued_bytes -= size_of(item)
            self.send(item)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
