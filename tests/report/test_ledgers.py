"""The ledgers over time, as charts and the drill-down show them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from harness.record.schema import Server
from harness.report.ledgers import Changes, by_database, by_tenant, changes, counts
from tests.judge.story import database, healthy, ns

Samples = list[dict[str, int]]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)), max_size=8))
def test_changes_are_those_between_two_samples(samples: Samples) -> None:
    """Each name's count wherever it differs from the sample before; a name that is not told has none."""
    rows = [(name, at, count) for at, told in enumerate(samples) for name, count in told.items()]
    frame = pd.DataFrame(rows, columns=["name", "at_ns", "count"]).astype({"name": str, "at_ns": int, "count": int})
    counted = frame.groupby(["name", "at_ns"])["count"].sum()
    assert changes(counted, np.arange(len(samples))) == _one_by_one(samples)


def test_a_connection_that_went_is_seen_to_go() -> None:
    """Both ledgers follow a tenant from its first connection to its last sample."""
    story = healthy(2)
    gone = story.change(
        Server,
        lambda row: (
            replace(row, connections=[item for item in row.connections if item.database != database(1)])
            if row.at_ns > ns(12)
            else None
        ),
    )
    with gone.record() as record:
        server, claimed, series = by_database(record), by_tenant(record), counts(record)
    assert [count for _, count in server[database(1)]] == [1, 0]
    assert [count for _, count in server[database(2)]] == [1]
    assert [count for _, count in claimed["id1"]] == [1]
    seen = [item.connections for item in series if item.ledger == "seen by Postgres"]
    assert (seen[0], max(seen), seen[-1]) == (0, 2, 1)


def _one_by_one(samples: Samples) -> dict[str, Changes]:
    found: dict[str, Changes] = {}
    before: dict[str, int] = {}
    for at, now in enumerate(samples):
        for name in now.keys() | before.keys():
            if before.get(name, 0) != now.get(name, 0):
                found.setdefault(name, []).append((round(at / 1e9, 3), now.get(name, 0)))
        before = now
    return found
