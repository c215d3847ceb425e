"""One tenant at a time: its requests, its connections by ledger, the faults it met, the log lines that name it.

Where a page can't carry every request, each tenant keeps its first ones, its slowest and those that are not ok, and a
count of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.plan import Plan
from harness.record.reader import Record
from harness.record.schema import ControlTenant, Intent, Login, OwnData
from harness.report import ledgers
from harness.report.moments import Course
from harness.report.tenant_logs import LogLine, log_lines
from harness.report.text import clean
from harness.target import filled

REQUESTS_WHOLE = 6_000
FIRST, SLOWEST, BAD = 6, 4, 4
TENANTS_MAX = 3_000
ERROR_SHOWN = 160

RequestRow = tuple[str, float, float, float, str, int | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """What the page tells of one tenant. `requests`: step, sent at (s), response and service (ms), outcome, status,
    error; `total` counts all of them. `connections`: ledger -> (at, count) at each change."""

    tenant: str
    n: int | None
    id: str
    database: str
    outcome: str
    took_ms: float | None
    total: int
    bad: int
    slowest_ms: float | None
    requests: list[RequestRow]
    faults: list[str]
    connections: dict[str, ledgers.Changes]
    log: list[LogLine]
    final: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a tenant is to the harness and to the target."""

    n: int | None
    email: str
    id: str
    database: str


def tenants(record: Record, course: Course, frame: pd.DataFrame) -> list[Tenant]:
    """Every tenant of the run, by label. `frame` is `latency_series.measured(record.requests)`."""
    identities = _identities(record, frame)
    counted = _counted(frame)
    shown = _shown(frame)
    server, claimed, final = ledgers.by_database(record), ledgers.by_tenant(record), _final(record)
    lines = log_lines(record.folder.logs, _keys(identities))
    return [
        _tenant(
            name,
            who,
            counted.get(name, {}),
            shown.get(name, []),
            course,
            connections={
                ledgers.WORDS["claimed"]: claimed.get(who.id, []),
                ledgers.WORDS["server"]: server.get(who.database, []),
            },
            log=lines.get(name, []),
            final=final.get(name, []) + final.get(who.id, []),
        )
        for name, who in sorted(identities.items())[:TENANTS_MAX]
    ]


def _tenant(
    name: str,
    who: Identity,
    counted: dict[str, float],
    requests: list[RequestRow],
    course: Course,
    *,
    connections: dict[str, ledgers.Changes],
    log: list[LogLine],
    final: list[str],
) -> Tenant:
    signup = next((row for row in requests if row[0] == "register"), None)
    begin, end = (requests[0][1], requests[-1][1] + requests[-1][3] / 1000) if requests else (0.0, -1.0)
    return Tenant(
        tenant=clean(name, 80),
        n=who.n,
        id=clean(who.id, 80),
        database=clean(who.database, 80),
        outcome=signup[4] if signup else "not sent",
        took_ms=signup[3] if signup else None,
        total=int(counted.get("total", 0)),
        bad=int(counted.get("bad", 0)),
        slowest_ms=counted.get("slowest"),
        requests=requests,
        faults=course.faults_between(begin, end) if requests else [],
        connections={ledger: changes for ledger, changes in connections.items() if changes},
        log=log,
        final=final,
    )


def _identities(record: Record, frame: pd.DataFrame) -> dict[str, Identity]:
    """Tenants that were intended or that any request names."""
    told = frame[frame["tenant_id"].notna()].drop_duplicates("tenant")
    ids = {str(tenant): str(id) for tenant, id in zip(told["tenant"], told["tenant_id"], strict=True)}
    intents = {row.tenant: row for row in record.rows(Intent)}
    names = dict.fromkeys([*intents, *(str(name) for name in frame["tenant"].dropna().unique())])
    found = {}
    for name in names:
        id, intent = ids.get(name, ""), intents.get(name)
        n = intent.n if intent else None
        email = intent.email if intent else ""
        found[name] = Identity(n=n, email=email, id=id, database=_database(record.plan, id, n))
    return found


def _database(plan: Plan, id: str, n: int | None) -> str:
    """The tenant's database by the target's rule; empty while its id is not known."""
    if not id:
        return ""
    slug = plan.registration(n).slug if n is not None else ""
    return filled(plan.target.database.tenant, {"tenant_id": id, "tenant_id_hex": id.replace("-", ""), "slug": slug})


def _keys(identities: dict[str, Identity]) -> dict[str, str]:
    """Every word by which a log may name a tenant -> its label."""
    return {
        word: name
        for name, who in identities.items()
        for word in (who.id, who.id.replace("-", ""), who.database, who.email)
        if word
    }


def _counted(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Of every request: how many, how many not ok, the slowest response."""
    bad = (frame["outcome"] != "ok").astype(int)
    grouped = frame.assign(bad=bad).groupby("tenant", observed=True)
    table = grouped.agg(total=("bad", "size"), bad=("bad", "sum"), slowest=("response", "max")).round(3)
    return {str(name): {str(key): value for key, value in row.items()} for name, row in table.to_dict("index").items()}


def _shown(frame: pd.DataFrame) -> dict[str, list[RequestRow]]:
    """The requests that the page carries, by tenant, in order of time."""
    chosen = frame if len(frame) <= REQUESTS_WHOLE else _chosen(frame)
    rows: dict[str, list[RequestRow]] = {}
    columns = ["tenant", "step", "t", "response", "service", "outcome", "status", "error"]
    for tenant, step, at_s, response, service, outcome, status, error in chosen[columns].itertuples(index=False):
        code = None if pd.isna(status) else int(status)
        said = "" if pd.isna(error) else clean(str(error), ERROR_SHOWN)
        row = (str(step), round(at_s, 4), round(response, 3), round(service, 3), str(outcome), code, said)
        rows.setdefault(str(tenant), []).append(row)
    return rows


def _chosen(frame: pd.DataFrame) -> pd.DataFrame:
    """The first, the slowest, and those not ok, of each tenant."""
    tenants, _ = pd.factorize(frame["tenant"])
    in_time = np.arange(len(frame))
    slowest = np.argsort(-frame["response"].to_numpy())
    bad = np.flatnonzero((frame["outcome"] != "ok").to_numpy())
    orders = ((in_time, FIRST), (slowest, SLOWEST), (bad, BAD))
    return frame.iloc[np.unique(np.concatenate([_of_each(tenants, order, count) for order, count in orders]))]


def _of_each(groups: np.ndarray, order: np.ndarray, count: int) -> np.ndarray:
    """The first `count` positions of each group as they come in `order`."""
    ordered = order[np.argsort(groups[order], kind="stable")]
    group = groups[ordered]
    begins = np.flatnonzero(np.r_[True, group[1:] != group[:-1]]) if len(group) else group
    place = np.arange(len(group)) - np.repeat(begins, np.diff(np.r_[begins, len(group)]))
    chosen: np.ndarray = ordered[place < count]
    return chosen


def _final(record: Record) -> dict[str, list[str]]:
    """What the final read says of each tenant, by label or by the target's id."""
    found: dict[str, list[str]] = {}
    for key, text in _final_sentences(record):
        found.setdefault(key, []).append(clean(text))
    return found


def _final_sentences(record: Record) -> Iterator[tuple[str, str]]:
    for row in record.rows(ControlTenant):
        yield row.tenant_id, f"control table: {row.status or 'no status'}, database {row.database or 'not named'}"
    for login in record.rows(Login):
        answer = f" ({login.status})" if login.status else ""
        yield login.tenant, f"login: {login.outcome}{answer} {login.error}".strip()
    for own in record.rows(OwnData):
        found = "could not be read" if own.found is None else f"{len(own.found)} found"
        yield own.tenant, f"own data: {len(own.acknowledged)} acknowledged, {found} {own.error}".strip()
