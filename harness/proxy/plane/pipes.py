"""Pipes for `splice`: bytes go from socket to socket without coming here."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

PIPE_BYTES = 1024 * 1024
FLAGS = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE if hasattr(os, "splice") else 0
PIPES_MOST = 64
"""How many lanes may hold data in a pipe at once; further ones keep theirs in memory, of which less is allowed."""


class FullPipe:
    """A pipe lent to a lane; `size` bytes are in it."""

    __slots__ = ("_lender", "_reader", "_writer", "size")

    def __init__(self, lender: Pipes) -> None:
        self._lender = lender
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.size = 0
        with suppress(PermissionError):  # the user's share of pipe memory is used up: the usual size works too
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def fill(self, source: int) -> int:
        """Take in what the socket has; 0 at its end, -1 where there is nothing now."""
        try:
            self.size = os.splice(source, self._writer, PIPE_BYTES, None, None, FLAGS)
        except BlockingIOError:
            return -1
        return self.size

    def empty(self, target: int) -> int:
        """Send on what the socket takes."""
        try:
            moved = os.splice(self._reader, target, self.size, None, None, FLAGS)
        except BlockingIOError:
            return 0
        self.size -= moved
        return moved

    def drain(self) -> bytes:
        """Take its content out into memory."""
        parts = []
        while self.size:
            parts.append(os.read(self._reader, self.size))
            self.size -= len(parts[-1])
        return b"".join(parts)

    def give_back(self) -> None:
        self._lender.take_back(self)

    def discard(self) -> None:
        """Its content is of no use any more."""
        self.drain()
        self.give_back()

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Pipes:
    """Lends empty pipes."""

    def __init__(self) -> None:
        self._idle: list[FullPipe] = []
        self._lent = 0

    def take(self) -> FullPipe | None:
        """An empty pipe; null where too many are out."""
        if self._lent >= PIPES_MOST:
            return None
        self._lent += 1
        return self._idle.pop() if self._idle else FullPipe(self)

    def take_back(self, pipe: FullPipe) -> None:
        self._lent -= 1
        self._idle.append(pipe)

    def close(self) -> None:
        for pipe in self._idle:
            pipe.close()
        self._idle.clear()


def new_pipes() -> Pipes | None:
    """Null where the system has no `splice`."""
    return Pipes() if hasattr(os, "splice") else None
