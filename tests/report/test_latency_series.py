"""The aggregate that a page carries tells the same as the requests themselves."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from harness.report.latency_series import MEASURES, latency_series, measured, ranks


def requests(count: int, seed: int = 1) -> pd.DataFrame:
    """Made-up requests of two steps, one in twenty failed, lateness between intended and actual start."""
    draw = np.random.default_rng(seed)
    start = np.sort(draw.integers(0, 60_000_000_000, count))
    took = (draw.lognormal(2, 1, count) * 1e6).astype(int) + 1
    return pd.DataFrame(
        {
            "worker": "w",
            "tenant": [f"t{n % 50:05d}" for n in range(count)],
            "step": pd.Categorical(np.where(draw.random(count) < 0.3, "register", "read")),
            "outcome": pd.Categorical(np.where(draw.random(count) < 0.05, "failed", "ok")),
            "intended_ns": start - draw.integers(0, 5_000_000, count),
            "start_ns": start,
            "end_ns": start + took,
        }
    )


def test_few_requests_are_shown_one_by_one() -> None:
    """No aggregate where every request can be a point."""
    series = latency_series(measured(requests(500)))
    assert series.whole
    assert len(series.points) == 500
    assert series.stretches == []


def test_the_aggregate_counts_every_request_once() -> None:
    """Nothing is lost between the stretches, nor in the distribution, whatever the outcome."""
    frame = measured(requests(20_000))
    series = latency_series(frame)
    assert not series.whole
    for outcome in ("ok", "failed"):
        of = (frame["outcome"] == outcome).sum()
        assert sum(row["n"] for row in series.stretches if row["outcome"] == outcome) == of
        for measure in MEASURES:
            told = [row for row in series.histogram if (row["outcome"], row["measure"]) == (outcome, measure)]
            assert sum(row["n"] for row in told) == of


def test_the_worst_and_the_failed_stay_visible() -> None:
    """The slowest request of each step is a point of its own, and the stretches keep the greatest value."""
    frame = measured(requests(20_000))
    series = latency_series(frame)
    for step in ("register", "read"):
        worst = round(float(frame[frame["step"] == step]["response"].max()), 3)
        assert worst in {row["response"] for row in series.points}
        assert worst == max(row["response_max"] for row in series.stretches if row["step"] == step)
    assert any(row["outcome"] == "failed" for row in series.points)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1e6)), min_size=1, max_size=200))
def test_percentiles_of_groups_are_nearest_ranks(pairs: list[tuple[int, float]]) -> None:
    """The median and the 95th percentile of each group are values of it, by the definition."""
    key = np.array([group for group, _ in pairs])
    values = np.array([value for _, value in pairs])
    told = ranks(key, values)
    for index, group in enumerate(told["key"]):
        mine = sorted(value for of, value in pairs if of == group)
        assert told["n"][index] == len(mine)
        assert (told["min"][index], told["max"][index]) == (mine[0], mine[-1])
        for name, percent in (("p50", 50), ("p95", 95)):
            assert told[name][index] == mine[math.ceil(percent / 100 * len(mine)) - 1]


def test_no_request_is_no_error() -> None:
    """An empty run has an empty series."""
    series = latency_series(measured(requests(0)))
    assert (series.n, series.points, series.steps) == (0, [], [])
