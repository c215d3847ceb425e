"""What the fault proxy's ledger says of a toxic: the outside view of faults that hit only some connections."""

from __future__ import annotations

from pathlib import Path

from harness.live.stack import Edge, Stack
from harness.live.stack.edges import EdgeTrouble


class Wire:
    """The proxy's rows as they are written, from now on. Without a file (the real Toxiproxy) nothing is known."""

    def __init__(self, events: Path | None) -> None:
        self._events = events
        self._offset = events.stat().st_size if events and events.exists() else 0
        self._text = b""

    async def touched(self, stack: Stack, edge: Edge, toxic: str) -> bool:
        """Whether the toxic has hit or refused a connection, one that is open still or one that has ended."""
        try:
            if any(toxic in each.toxics for each in await stack.edges.connections(edge)):
                return True
        except EdgeTrouble:
            return False  # A proxy without the extension.
        self._read()
        return toxic.encode() in self._text

    def _read(self) -> None:
        if self._events is None or not self._events.exists():
            return
        with self._events.open("rb") as file:
            file.seek(self._offset)
            self._text += file.read()
            self._offset = file.tell()
