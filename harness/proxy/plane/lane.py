"""One direction of a connection: from its source to its target, straight or through a chain of toxics.

Straight, bytes go from the one socket to the other in as few calls as there are (`recv`, `send`; `splice` once
there is much). With toxics they become chunks that pass a chain of stages. A lane changes over between reads: what was
read before a toxic came passes before it, and what a toxic lets go is sent before anything is read straight again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.proxy.plane.end import End
from harness.proxy.plane.items import UPSTREAM, Chunk, Direction, Ending
from harness.proxy.plane.live_toxic import LiveToxic
from harness.proxy.plane.outlet import Outlet
from harness.proxy.plane.reactor import IN
from harness.proxy.plane.stage import Stage

if TYPE_CHECKING:
    from harness.proxy.plane.connection import Connection

CHUNK_BYTES = 32 * 1024
BULK_BYTES = 32 * 1024
"""A read of so much at once makes the next one a `splice`, a `splice` of less than half of it ends that."""
ROOM_BYTES = 256 * 1024


class Lane:
    """See the module. `received` counts bytes read from the source; its `outlet` those sent."""

    __slots__ = ("_names_wanted", "_recv", "_room_bytes", "connection", "direction", "first_ns", "last_ns",
                 "outlet", "received", "source", "source_over", "stages")  # fmt: skip

    def __init__(self, connection: Connection, direction: Direction, source: End, target: End) -> None:
        self.connection = connection
        self.direction: Direction = direction
        self.source = source
        self.outlet = Outlet(connection, target)
        self.stages: list[Stage] = []
        self.received = 0
        self.first_ns = 0
        self.last_ns = 0
        self.source_over = False
        self._names_wanted = direction == UPSTREAM
        self._room_bytes = ROOM_BYTES
        self._recv = source.sock.recv
        target.outbound = self

    @property
    def now_ns(self) -> int:
        return self.connection.reactor.now_ns

    def start(self) -> None:
        self._change_over()
        self.source.want(IN, True)

    def writable(self) -> None:
        """The target takes more."""
        if self.outlet.flush():
            self.regulate()

    def regulate(self) -> None:
        """Read from the source only while there is room for what it sends: a slow reader costs bounded memory."""
        if self.source.gone:
            return
        waiting = self.outlet.waiting_bytes + sum(stage.queued_bytes for stage in self.stages)
        room = self._room_bytes if self.stages else 1
        done = self.source_over or self.outlet.ending is not None
        self.source.want(IN, waiting < room and not done)

    def discard(self) -> None:
        """The connection is gone: whatever still waits is dropped."""
        self.outlet.discard()
        for stage in self.stages:
            stage.discard()

    # toxics come and go

    def add(self, toxic: LiveToxic, index: int, *, was_open: bool) -> None:
        """Put a toxic at `index` of the chain."""
        if self.outlet.over:
            return
        self.outlet.to_memory()
        stage = Stage(toxic, self, was_open=was_open)
        self.stages.insert(index, stage)
        self._link()
        stage.start()

    def remove(self, toxic: LiveToxic) -> None:
        """Take a toxic out of the chain; one that has ended the stream stays, for nothing may follow an end."""
        for stage in [stage for stage in self.stages if stage.toxic is toxic and not stage.over]:
            stage.remove()
            self.stages.remove(stage)
            self._link()
        if not self.connection.closed:
            self.regulate()

    # reading

    def _read_straight(self) -> None:
        """The one way that most bytes go: written out in full, for every call of a method here costs as they do."""
        connection = self.connection
        try:
            data = self._recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            connection.broken(self.source)
            return
        if not data:
            self._source_ended()
            return
        size = len(data)
        self.last_ns = connection.reactor.now_ns
        if not self.received:
            self.first_ns = self.last_ns
        self.received += size
        if self._names_wanted:
            self._read_names(data)
        outlet = self.outlet
        try:
            sent = outlet.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            connection.broken(outlet.target)
            return
        outlet.sent += sent
        if sent < size:
            outlet.keep(data[sent:])
            self.source.want(IN, False)
        if size >= BULK_BYTES and connection.pipes is not None and not self._names_wanted:
            self.source.read = self._read_bulk

    def _read_chunk(self) -> None:
        try:
            data = self.source.sock.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.connection.broken(self.source)
            return
        if not data:
            self._source_ended()
            return
        self._note(len(data))
        if self._names_wanted:
            self._read_names(data)
        self.stages[0].push(Chunk(data, self.last_ns))
        self.regulate()

    def _read_bulk(self) -> None:
        """Move what is there through a pipe, never touching it; written out in full as well."""
        connection = self.connection
        pipes = connection.pipes
        pipe = pipes.take() if pipes is not None else None
        if pipes is None or pipe is None:
            self.source.read = self._read_straight
            self._read_straight()
            return
        try:
            size = pipe.fill(self.source.descriptor)
        except OSError:
            pipes.take_back(pipe)
            connection.broken(self.source)
            return
        if size <= 0:
            pipes.take_back(pipe)
            if size == 0:
                self._source_ended()
            return
        self._note(size)
        if size < BULK_BYTES // 2:
            self.source.read = self._read_straight
        outlet = self.outlet
        try:
            outlet.sent += pipe.empty(outlet.target.descriptor)
        except OSError:
            pipe.discard()
            connection.broken(outlet.target)
            return
        if pipe.size:
            outlet.keep_pipe(pipe)
            self.source.want(IN, False)
        else:
            pipes.take_back(pipe)

    def _note(self, size: int) -> None:
        self.last_ns = self.connection.reactor.now_ns
        if not self.received:
            self.first_ns = self.last_ns
        self.received += size

    def _read_names(self, data: bytes) -> None:
        self._names_wanted = not self.connection.read_names(data)

    def _source_ended(self) -> None:
        self.source_over = True
        self.source.want(IN, False)
        self.connection.source_ended(self.source.peer)
        if self.stages:
            self.stages[0].push(Ending.HALF)
        else:
            self.outlet.deliver(Ending.HALF)

    def _link(self) -> None:
        for stage, following in zip(self.stages, self.stages[1:], strict=False):
            stage.forward = following.push
        if self.stages:
            self.stages[-1].forward = self.outlet.deliver
        self._room_bytes = max((stage.toxic.behaviour.room_bytes for stage in self.stages), default=ROOM_BYTES)
        self._change_over()

    def _change_over(self) -> None:
        if not self.outlet.over:
            self.source.read = self._read_chunk if self.stages else self._read_straight
