"""Where a worker's rows go, and who is told of its requests. A row that can't be kept ends the worker at once.

A load that goes on unrecorded would count as one that never happened, so nothing may catch this: Locust, for one,
swallows what a task raises. The driver finds a file without a trailer, and the reason in the worker's log.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Protocol

from harness.record.schema import Request, Row

EXIT_NOT_RECORDED = 74  # EX_IOERR of sysexits.h


class Sink(Protocol):
    """Takes rows: a file (`record.writer.RowWriter`), or the way home to the master. Raises `OSError`."""

    rows: int

    def append(self, row: Row, *, now: bool = False) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class Recorder:
    """Rows of one worker. `on_request` is told of every request, where somebody looks at Locust's own statistics."""

    def __init__(self, sink: Sink, on_request: Callable[[Request], None] | None = None) -> None:
        self._sink = sink
        self._on_request = on_request

    @property
    def rows(self) -> int:
        return self._sink.rows

    def append(self, row: Row, *, now: bool = False) -> None:
        """Keep a row; `now` has it through before returning."""
        try:
            self._sink.append(row, now=now)
        except OSError as error:
            end_unrecorded(error)

    def request(self, row: Request, *, now: bool = False) -> None:
        self.append(row, now=now)
        if self._on_request is not None:
            self._on_request(row)

    def close(self) -> None:
        try:
            self._sink.close()
        except OSError as error:
            end_unrecorded(error)


def end_unrecorded(error: OSError) -> None:
    """End this process with one line that says why, whatever is running in it."""
    sys.stderr.write(f"the record can't be written: {error.strerror or error}; free the disk and run again\n")
    sys.stderr.flush()
    os._exit(EXIT_NOT_RECORDED)
