"""The server ledger: every connection that `pg_stat_activity` showed, from its opening to when it was seen last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from harness.clock import NS_PER_MS, NS_PER_S
from harness.judge.model import Evidence
from harness.judge.windows import phase_began, rest_ended
from harness.record.reader import Record
from harness.record.schema import Server

SOURCE = "observe.jsonl"
SAME_MOMENT_NS = 50 * NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One connection. `used_ns` is when it last changed between idle and active, as Postgres says, so it is exact."""

    pid: int
    database: str
    client_port: int | None
    opened_ns: int
    used_ns: int
    first_seen_ns: int
    last_seen_ns: int
    state: str
    tenant: str | None = None

    def told(self, at_ns: int) -> str:
        """The connection as evidence names it."""
        age_s, idle_s = (at_ns - self.opened_ns) / NS_PER_S, (at_ns - self.used_ns) / NS_PER_S
        owner = f" of {self.tenant}" if self.tenant else ""
        return f"connection {self.pid} to {self.database}{owner}, open for {age_s:.1f} s, last used {idle_s:.1f} s ago"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accused:
    """A connection and why it is a leak."""

    life: Life
    why: str
    at_ns: int

    def evidence(self) -> Evidence:
        return Evidence(
            text=f"{self.life.told(self.at_ns)}: {self.why}", source=SOURCE, at_ns=self.at_ns, tenant=self.life.tenant
        )


def rest_ns(record: Record) -> int | None:
    """The last server sample after the load and before the final read; null where there is none."""
    since_ns = phase_began(record, "settle")
    last = record.last(Server, before_ns=rest_ended(record))
    return last.at_ns if last and since_ns is not None and last.at_ns >= since_ns else None


def lacking(record: Record) -> list[str]:
    """What the server ledger lacks for a judgement at rest."""
    return [] if rest_ns(record) is not None else ["no sample of pg_stat_activity after the load"]


def lives(record: Record, owners: dict[str, str], *, until_ns: int) -> list[Life]:
    """Every connection seen until then, oldest first. `owners` maps a database to its tenant's label."""
    frame = record.connections
    frame = frame[frame["at_ns"] <= until_ns]
    if not len(frame):
        return []
    keys = ["pid", "client_port", "database"]
    grouped = frame.assign(client_port=frame["client_port"].fillna(-1)).groupby(keys, observed=True, sort=False)
    table = grouped.agg(
        opened_ns=("opened_ns", "min"),
        used_ns=("last_change_ns", "last"),
        first_seen_ns=("at_ns", "min"),
        last_seen_ns=("at_ns", "max"),
        state=("state", "last"),
    ).reset_index()
    return sorted((_life(row, owners) for row in table.itertuples(index=False)), key=lambda life: life.opened_ns)


def at_rest(found: Sequence[Life], rest: int) -> list[Life]:
    """Those that the sample at rest shows."""
    return [life for life in found if life.last_seen_ns >= rest]


def counts(record: Record) -> pd.Series[int]:
    """Connections by sample, as (at_ns -> count); samples that showed none are missing from it."""
    return record.connections.groupby("at_ns").size()


def _life(row: tuple[int, ...], owners: dict[str, str]) -> Life:
    pid, port, database, opened_ns, used_ns, first_ns, last_ns, state = row
    return Life(
        pid=int(pid),
        database=str(database),
        client_port=int(port) if port >= 0 else None,
        opened_ns=int(opened_ns),
        used_ns=max(int(used_ns), int(opened_ns)),
        first_seen_ns=int(first_ns),
        last_seen_ns=int(last_ns),
        state=str(state),
        tenant=owners.get(str(database)),
    )
