"""The wire ledger: what the fault proxy carried between the backend and its services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.clock import NS_PER_S
from harness.judge.model import Evidence
from harness.record.reader import Record
from harness.record.schema import Closed, Opened

SOURCE = "proxy.jsonl"
TO_POSTGRES = "backend-postgres"
TO_REDIS = "backend-redis"
SETTLED_NS = 2 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection through the proxy; `closed` is null while it is open, or where the proxy was killed."""

    opened: Opened
    closed: Closed | None

    def is_open_at(self, at_ns: int) -> bool:
        return self.opened.at_ns <= at_ns and (self.closed is None or self.closed.at_ns > at_ns)


def connections(record: Record, proxy: str) -> list[Wire]:
    """Every connection of one proxy but the harness's own looks, in order of opening."""
    closed = {row.connection: row for row in record.rows(Closed) if row.proxy == proxy}
    opened = [row for row in record.rows(Opened) if row.proxy == proxy]
    return [Wire(row, closed.get(row.connection)) for row in opened if not row.is_a_look]


def only_on_the_wire(record: Record, rest: int | None) -> Iterator[Evidence]:
    """Connections to Postgres that are open on the wire at rest and that Postgres does not know: held for nothing."""
    if rest is None:
        return
    frame = record.connections
    at_rest = frame[frame["at_ns"] == rest]["client_port"].dropna()
    known = set(at_rest.astype(int).tolist())
    wires = connections(record, TO_POSTGRES)
    if not any(wire.opened.upstream_port in known for wire in wires):
        return  # Ports are translated on the way (containers), so that the two ledgers can't be joined.
    for wire in wires:
        port = wire.opened.upstream_port
        is_settled = wire.opened.at_ns < rest - SETTLED_NS
        still_open = wire.is_open_at(rest + SETTLED_NS) and wire.closed is not None
        if port is not None and port not in known and is_settled and still_open:
            age_s = (rest - wire.opened.at_ns) / NS_PER_S
            named = f"connection {wire.opened.connection} through {TO_POSTGRES}"
            text = f"{named}, open for {age_s:.1f} s: Postgres does not know it"
            yield Evidence(text=text, source=SOURCE, at_ns=wire.opened.at_ns)
