"""The wire ledger of the real Toxiproxy, read from the lines that it logs of every connection.

Toxiproxy has no answer that lists connections, but logs each one (2.5 to 2.12: `Accepted client`, then `Setup
connection` or `Unable to open connection to upstream`, at the end `Remove link`). It tells neither its own port towards
the service nor who ended a connection nor what went through, so these stay unknown.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.record.schema import Closed, Opened, WireEnd

ACCEPTED = "Accepted client"
SET_UP = "Setup connection"
REFUSED = "Unable to open connection to upstream"
REMOVED = "Remove link "
DIRECTIONS = ("upstream", "downstream")


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A client whose connection to the upstream is still being made."""

    at_ns: int
    client: str


class WireLog:
    """Turns the output of one Toxiproxy into rows, each timed by its arrival. Not for several threads at once.

    `now_ns` is the run's clock. Connections are numbered on over a restart.
    """

    def __init__(self, now_ns: Callable[[], int], keep: Callable[[Opened | Closed | WireEnd], None]) -> None:
        self._now_ns = now_ns
        self._keep = keep
        self._rest = b""
        # A proxy accepts one client after the other: the next word about its upstream is about the last accepted.
        self._accepted: dict[str, _Accepted] = {}
        self._open: dict[tuple[str, str], int] = {}
        self._count = 0

    def feed(self, output: bytes) -> None:
        """The next bytes of the output; they may end amid a line."""
        *lines, self._rest = (self._rest + output).split(b"\n")
        for line in lines:
            self._line(line)

    def ended(self) -> None:
        """The server is gone, and every connection with it."""
        self._rest = b""
        self._accepted.clear()
        for proxy, client in list(self._open):
            self._close(proxy, client)
        self._keep(WireEnd(at_ns=self._now_ns()))

    def _line(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return  # A line for people, such as a stack trace: it says nothing of a connection.
        if not isinstance(said, dict):
            return
        message, proxy = str(said.get("message", "")), str(said.get("name", ""))
        if message == ACCEPTED:
            self._accepted[proxy] = _Accepted(self._now_ns(), str(said["client"]))
        elif message == SET_UP:
            self._opened(proxy)
        elif message == REFUSED:
            self._opened(proxy, error=str(said.get("error", message)))
        elif message.startswith(REMOVED):
            self._removed(said)

    def _opened(self, proxy: str, *, error: str = "") -> None:
        accepted = self._accepted.pop(proxy, None)
        if accepted is None:
            return  # The second direction of a connection that was told already.
        self._count += 1
        self._open[proxy, accepted.client] = self._count
        self._keep(
            Opened(
                at_ns=accepted.at_ns,
                proxy=proxy,
                connection=self._count,
                client=accepted.client,
                upstream_port=None,
                error=error,
            )
        )
        if error:
            self._close(proxy, accepted.client)

    def _removed(self, said: dict[str, Any]) -> None:
        """Either direction's end is the connection's: what still flows the other way carries no request's answer."""
        link = str(said.get("link", ""))
        for direction in DIRECTIONS:
            if link.endswith(direction):
                self._close(str(said.get("proxy", "")), link.removesuffix(direction))

    def _close(self, proxy: str, client: str) -> None:
        number = self._open.pop((proxy, client), None)
        if number is not None:
            self._keep(
                Closed(
                    at_ns=self._now_ns(),
                    proxy=proxy,
                    connection=number,
                    by="unknown",
                    how="unknown",
                    bytes_up=None,
                    bytes_down=None,
                )
            )
