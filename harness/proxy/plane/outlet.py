"""The sending end of a lane: what the target does not take waits here, in memory or in a pipe, and then the end."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from harness.proxy.plane.end import End
from harness.proxy.plane.items import Ending, Item
from harness.proxy.plane.pipes import FullPipe
from harness.proxy.plane.reactor import OUT

if TYPE_CHECKING:
    from harness.proxy.plane.connection import Connection


class Outlet:
    """`sent` counts the bytes that the target took; `over` says that its stream has ended.

    Only one of memory and pipe holds anything at a time.
    """

    __slots__ = ("_connection", "_kept", "_pipe", "ending", "over", "send", "sent", "target")

    def __init__(self, connection: Connection, target: End) -> None:
        self.target = target
        self.send = target.sock.send
        self.sent = 0
        self.over = False
        self.ending: Ending | None = None
        self._connection = connection
        self._kept: bytearray | None = None
        self._pipe: FullPipe | None = None

    @property
    def waiting_bytes(self) -> int:
        return (len(self._kept) if self._kept else 0) + (self._pipe.size if self._pipe else 0)

    def deliver(self, item: Item) -> None:
        """Send on, or keep until the target takes it. Nothing follows an ending."""
        if self.over or self.ending is not None:
            return
        if isinstance(item, Ending):
            self.ending = item
            if not self.waiting_bytes:
                self._finish(item)
        elif self._kept:
            self._kept += item.data
        else:
            self._send_on(item.data)

    def keep(self, data: bytes) -> None:
        """What the target did not take; nothing must be waiting yet."""
        self._kept = bytearray(data)
        self.target.want(OUT, True)

    def keep_pipe(self, pipe: FullPipe) -> None:
        """A pipe of which the target did not take all; nothing else must be waiting yet."""
        self._pipe = pipe
        self.target.want(OUT, True)

    def flush(self) -> bool:
        """The target takes more: send what waits, then the end; whether nothing waits any more."""
        if self._pipe is not None and not self._empty_pipe(self._pipe):
            return False
        if self._kept and not self._flush_kept(self._kept):
            return False
        self.target.want(OUT, False)
        if self.ending is not None and not self.over:
            self._finish(self.ending)
        return True

    def to_memory(self) -> None:
        """Take what is in the pipe into memory, where more can follow it."""
        if self._pipe is not None:
            self._kept = bytearray(self._pipe.drain())
            self._pipe.give_back()
            self._pipe = None

    def discard(self) -> None:
        """The connection is gone: whatever still waits is dropped."""
        self.over = True
        self._kept = None
        if self._pipe is not None:
            self._pipe.discard()
            self._pipe = None

    def end_target(self) -> None:
        """Pass a half-close on."""
        try:
            self.target.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._connection.broken(self.target)

    def _send_on(self, data: bytes) -> None:
        try:
            size = self.send(data)
        except BlockingIOError:
            size = 0
        except OSError:
            self._connection.broken(self.target)
            return
        self.sent += size
        if size < len(data):
            self.keep(data[size:])

    def _flush_kept(self, kept: bytearray) -> bool:
        try:
            size = self.send(kept)
        except BlockingIOError:
            return False
        except OSError:
            self._connection.broken(self.target)
            return False
        self.sent += size
        del kept[:size]
        if kept:
            return False
        self._kept = None
        return True

    def _empty_pipe(self, pipe: FullPipe) -> bool:
        try:
            self.sent += pipe.empty(self.target.descriptor)
        except OSError:
            self._connection.broken(self.target)
            return False
        if pipe.size:
            return False
        self._pipe = None
        pipe.give_back()
        return True

    def _finish(self, ending: Ending) -> None:
        """All is sent: end the target's stream, or the whole connection."""
        self.over = True
        if ending is Ending.WHOLE:
            self._connection.close(by="toxic")
        else:
            self._connection.half_closed(self)
