"""What comes back after Postgres, Redis or the backend was broken: how soon, and whether for every tenant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.clock import NS_PER_S
from harness.judge.history import Ending, read_ending
from harness.judge.making import counted
from harness.judge.model import Evidence, Finding
from harness.judge.windows import Window, windows
from harness.record.reader import Record
from harness.record.schema import FinalRead

SERVER_ERROR = 500
GRACE_NS = 5 * NS_PER_S


def time_to_recover(record: Record) -> list[Finding]:
    """`time_to_recover`, in seconds: from the healing to the first success of each step that had succeeded before.

    The slowest step of the slowest healing counts. Where a step was tried again and did not succeed, or nothing was
    sent, the final read's logins say whether the service came back at all; if not, the time is bounded from below.
    """
    healed = [window for window in windows(record) if window.healed]
    measured = [item for window in healed for item in _steps_after(record, window)]
    slowest = max(measured, key=lambda item: item[0], default=None)
    never = [text for took_s, text, came in measured if not came]
    return [
        Finding(
            name="time_to_recover",
            title="Time to the first success after healing, slowest",
            value=slowest[0] if slowest else None,
            unit="s",
            n=len(measured),
            section="recovery",
            evidence=[Evidence(text=text, source="load") for took_s, text, _ in sorted(measured, reverse=True)[:10]],
            evidence_total=len(measured),
            missing=never or ([] if measured else ["nothing was sent after a healing"]),
            at_least=bool(never),
            not_applicable="" if healed else "no fault was healed",
        )
    ]


def _steps_after(record: Record, window: Window) -> Iterator[tuple[float, str, bool]]:
    """Seconds to the first success of each step, what is to be told of it, and whether it came at all."""
    frame = record.requests[["step", "outcome", "start_ns", "end_ns"]]
    worked = set(frame.loc[(frame["end_ns"] < window.begin_ns) & (frame["outcome"] == "ok"), "step"].unique())
    later = [other.begin_ns for other in windows(record) if other.begin_ns > window.end_ns]
    after = frame[(frame["start_ns"] >= window.end_ns) & (frame["start_ns"] < min(later, default=2**62))]
    for step, rows in after.groupby("step", observed=True):
        succeeded = rows[rows["outcome"] == "ok"]
        if len(succeeded):
            took_s = (int(succeeded["end_ns"].min()) - window.end_ns) / NS_PER_S
            yield took_s, f"{step} succeeded {took_s:.2f} s after {window.fault} was healed", True
        elif step in worked:
            took_s = (int(rows["end_ns"].max()) - window.end_ns) / NS_PER_S
            yield (
                took_s,
                f"{step} failed {len(rows)} times in the {took_s:.1f} s after {window.fault} was healed",
                False,
            )
    if not len(after) and not later:
        yield from _logins_after(record, window)


def _logins_after(record: Record, window: Window) -> Iterator[tuple[float, str, bool]]:
    ending = read_ending(record)
    worked = sorted(row.at_ns for row in ending.logins.values() if row.outcome == "ok")
    refused = [row for row in ending.logins.values() if row.outcome != "ok" and (row.status or 0) >= SERVER_ERROR]
    if worked:
        # Nobody asked before the final read did, so that the first answer says nothing of how long it took.
        yield 0.0, f"the first login after {window.fault} succeeded", True
    elif refused:
        took_s = (max(row.at_ns for row in refused) - window.end_ns) / NS_PER_S
        yield took_s, f"every login failed in the {took_s:.1f} s after {window.fault} was healed", False


def stale_pool(record: Record) -> list[Finding]:
    """`stale_pool`: tenants that stay away after Postgres is back, while others are served."""
    broken = [window for window in windows(record, "postgres", "network") if window.healed]
    idle = "" if broken else "no fault on Postgres was healed"
    ending = read_ending(record)
    missing = [] if record.rows(FinalRead) else ["there was no final read"]
    found = {} if idle else {**_away_under_load(record, broken), **_away_at_the_end(ending)}
    facts = [Evidence(text=text, source="final_read.jsonl", tenant=tenant) for tenant, text in found.items()]
    return [
        counted(
            "stale_pool",
            "Tenants that stay away after Postgres is back",
            facts,
            n=len(ending.labels),
            section="recovery",
            missing=[] if idle else missing,
            not_applicable=idle,
        )
    ]


def _away_under_load(record: Record, broken: Sequence[Window]) -> dict[str, str]:
    """Tenants whose every request since some time after the last healing failed, while others succeeded."""
    since_ns = max(window.end_ns for window in broken) + GRACE_NS
    frame = record.requests[["tenant", "outcome", "status", "start_ns", "end_ns"]]
    after = frame[frame["start_ns"] >= since_ns]
    if not (after["outcome"] == "ok").any():
        return {}
    unserved = (after["outcome"] == "unknown") | (after["status"] >= SERVER_ERROR)
    share = unserved.astype(float).groupby(after["tenant"], observed=True).mean()
    worked = set(frame.loc[(frame["end_ns"] < broken[0].begin_ns) & (frame["outcome"] == "ok"), "tenant"].astype(str))
    return {
        str(tenant): f"every request of {tenant} failed after Postgres was back"
        for tenant in share[share == 1].index
        if str(tenant) in worked
    }


def _away_at_the_end(ending: Ending) -> dict[str, str]:
    """Acknowledged tenants whose login is a server error at the end, while another's succeeds."""
    if not any(row.outcome == "ok" for row in ending.logins.values()):
        return {}
    acknowledged = {label for n, label in ending.labels.items() if ending.outcome(n) == "ok"}
    return {
        label: f"the login of {label} is answered with {row.status} after Postgres is back"
        for label, row in ending.logins.items()
        if label in acknowledged and row.outcome != "ok" and (row.status is None or row.status >= SERVER_ERROR)
    }
