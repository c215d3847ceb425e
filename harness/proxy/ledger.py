"""The ledger of connections: rows for the run folder, and what can be asked of those that are open."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from harness.clock import monotonic_ns
from harness.proxy.plane.connection import Connection
from harness.proxy.plane.lane import Lane
from harness.record.schema import Closed, Opened, Row, WireEnd
from harness.record.writer import RowWriter


class Ledger:
    """The data plane adds rows, which costs it next to nothing; the control thread writes them."""

    def __init__(self, writer: RowWriter | None, origin_ns: int) -> None:
        self._writer = writer
        self._origin_ns = origin_ns
        self._rows: deque[Row] = deque()

    def opened(self, proxy: str, connection: Connection, error: str) -> None:
        if self._writer is not None:
            self._rows.append(
                Opened(
                    at_ns=connection.opened_ns - self._origin_ns,
                    proxy=proxy,
                    connection=connection.number,
                    client=connection.client_address,
                    upstream_port=connection.upstream_port,
                    error=error,
                )
            )

    def closed(self, proxy: str, connection: Connection) -> None:
        if self._writer is not None:
            seen = seen_of(connection, self._origin_ns)
            self._rows.append(
                Closed(
                    at_ns=connection.reactor.now_ns - self._origin_ns,
                    proxy=proxy,
                    connection=connection.number,
                    by=connection.by,
                    how=connection.how,
                    bytes_up=seen.bytes_up,
                    bytes_down=seen.bytes_down,
                    first_byte_up_ns=seen.first_byte_up_ns,
                    last_byte_up_ns=seen.last_byte_up_ns,
                    first_byte_down_ns=seen.first_byte_down_ns,
                    last_byte_down_ns=seen.last_byte_down_ns,
                    toxics=seen.toxics,
                    database=seen.database,
                    user=seen.user,
                    client_name=seen.client_name,
                )
            )

    def write(self) -> None:
        """Bring the rows so far to the disk. Raises `OSError` where it refuses."""
        if self._writer is not None:
            while self._rows:
                self._writer.append(self._rows.popleft())
            self._writer.flush()

    def close(self) -> None:
        """The last word, by which a reader knows that nothing is missing before it."""
        if self._writer is not None:
            self._rows.append(WireEnd(at_ns=monotonic_ns() - self._origin_ns))
            self.write()
            self._writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a connection; also an entry of `GET /proxies/{proxy}/connections`."""

    connection: int
    client: str
    upstream_port: int | None
    opened_ns: int
    bytes_up: int
    bytes_down: int
    first_byte_up_ns: int | None
    last_byte_up_ns: int | None
    first_byte_down_ns: int | None
    last_byte_down_ns: int | None
    toxics: list[str]
    database: str | None
    user: str | None
    client_name: str | None


def seen_of(connection: Connection, origin_ns: int) -> Seen:
    names = connection.names
    up, down = connection.up, connection.down
    first_up, last_up = _times(up, origin_ns)
    first_down, last_down = _times(down, origin_ns)
    return Seen(
        connection=connection.number,
        client=connection.client_address,
        upstream_port=connection.upstream_port,
        opened_ns=connection.opened_ns - origin_ns,
        bytes_up=up.outlet.sent if up else 0,
        bytes_down=down.outlet.sent if down else 0,
        first_byte_up_ns=first_up,
        last_byte_up_ns=last_up,
        first_byte_down_ns=first_down,
        last_byte_down_ns=last_down,
        toxics=list(connection.toxics_hit),
        database=names.database,
        user=names.user,
        client_name=names.client_name,
    )


def _times(lane: Lane | None, origin_ns: int) -> tuple[int | None, int | None]:
    if lane is None or not lane.received:
        return None, None
    return lane.first_ns - origin_ns, lane.last_ns - origin_ns
