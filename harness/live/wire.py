"""The wire ledger while a run lives: how many connections the fault proxy holds to Postgres, by its own events."""

from __future__ import annotations

import json
from pathlib import Path

from harness.live.stack import Edge


class WireLedger:
    """Counts what the proxy's file tells. Null until it has told of a connection, or where it writes no file."""

    def __init__(self, path: Path, edge: Edge = Edge.POSTGRES) -> None:
        self._path = path
        self._edge = edge.value
        self._offset = 0
        self._open: set[int] | None = None

    def open_connections(self) -> int | None:
        """Connections open now through the edge, from the whole lines that have been written so far."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read()
        except FileNotFoundError:
            return None
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._count(json.loads(line))
        return None if self._open is None else len(self._open)

    def _count(self, row: dict[str, object]) -> None:
        if row.get("proxy") != self._edge:
            return
        if self._open is None:
            self._open = set()
        connection = int(str(row["connection"]))
        if row["kind"] == "opened" and row["upstream_port"] is not None:
            self._open.add(connection)
        elif row["kind"] == "closed":
            self._open.discard(connection)
