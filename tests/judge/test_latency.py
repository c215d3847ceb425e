"""Latency: exact, three ways, acknowledged and failed apart, by phase; and a generator that was late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate import Ruling
from harness.judge.latency import nearest_rank
from harness.record.schema import Lag, Request
from tests.judge.story import broken, healthy, ns, request


@given(st.lists(st.floats(0, 1e6), min_size=1), st.sampled_from([1, 50, 95, 99, 100]))
def test_nearest_rank_is_a_value_that_was_measured(values: list[float], percent: int) -> None:
    """At least p percent of the values are at or below it, and it is the smallest such value."""
    ordered = np.sort(np.array(values))
    found = nearest_rank(ordered, percent)
    assert found in values
    assert (ordered <= found).sum() * 100 >= percent * len(values)
    below = ordered[ordered < found]
    assert len(below) * 100 < percent * len(values)


def test_the_p99_of_ten_slow_among_a_thousand_is_not_slow() -> None:
    """990 x 10 ms and 10 x 5 s: the 990th value is 10 ms."""
    assert nearest_rank(np.sort(np.array([10.0] * 990 + [5000.0] * 10)), 99) == 10.0


def test_response_time_counts_from_the_intended_start() -> None:
    """A request that was sent a second late was answered a second later, whatever the service took."""
    story = healthy().change(
        Request, lambda row: replace(row, intended_ns=row.start_ns - ns(1)) if row.step == "register" else None
    )
    assert story.finding("register_max_ms").value == pytest.approx(1200)
    assert story.finding("register_service_max_ms").value == pytest.approx(200)


def test_failed_requests_are_measured_apart() -> None:
    """A quick refusal does not make the service fast."""
    story = healthy().add("load-0", request(1, "write", 5, 3, outcome="failed", status=503))
    assert story.finding("write_max_ms").value == pytest.approx(100)
    assert story.finding("write_failed_max_ms").value == pytest.approx(3000)


def test_too_few_values_have_no_percentile() -> None:
    """The p99 of twelve requests would be their maximum under another name."""
    story = healthy()
    story.scenario["gates"] = {"register_p99_ms": "< 5000"}
    assert story.finding("register_p99_ms").value is None
    assert story.finding("register_p99_ms").n == 12
    assert story.ruling("register_p99_ms") is Ruling.UNKNOWN


def test_a_bound_can_be_asked_for_after_the_faults_only() -> None:
    """What was slow while Redis was away does not count then."""
    story = broken(healthy(), "redis.kill", 4, 6)
    story.add("load-0", request(1, "write", 5, 3))
    story.scenario["gates"] = {"write_max_ms": {"bound": "< 1000", "phase": "after"}}
    assert story.finding("write_max_ms", "during").value == pytest.approx(3000)
    assert story.finding("write_max_ms", "before").value == pytest.approx(100)
    assert story.ruling("write_max_ms") is Ruling.PASS


def test_a_late_generator_measures_nothing() -> None:
    """Neither a good figure nor a bad one is the target's."""
    story = healthy().change(Lag, lambda row: replace(row, lag_max_ns=ns(1)))
    story.scenario["gates"] = {"register_max_ms": "< 100"}
    assert story.finding("generator_lag").value == pytest.approx(1000)
    assert story.ruling("register_max_ms") is Ruling.UNKNOWN


def test_one_hiccup_of_the_generator_is_no_lateness() -> None:
    """The percentile that the number of observations carries decides."""
    story = healthy()
    first = True

    def once(row: Lag) -> Lag | None:
        nonlocal first
        chosen, first = first, False
        return replace(row, lag_max_ns=ns(1)) if chosen else None

    story.change(Lag, once)
    assert story.finding("generator_lag").value == pytest.approx(0)
