"""What the load engine computes without sending anything: shares, schedules, draws, templates."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.live.load.arrival import arrivals, offsets_ns
from harness.live.load.mix import Steps, Zipf
from harness.live.load.share import Share
from harness.live.load.template import Template, in_json, one_line
from harness.scenario import Load
from harness.target import filled


@given(total=st.integers(0, 500), count=st.integers(1, 20))
def test_shares_are_the_whole_and_nothing_twice(total: int, count: int) -> None:
    """However many workers there are, together they have every number once."""
    shares = [Share(index, count) for index in range(count)]
    numbers = [number for share in shares for number in share.numbers(total)]
    assert sorted(numbers) == list(range(1, total + 1))
    assert [len(list(share.numbers(total))) for share in shares] == [share.of(total) for share in shares]


@given(rate=st.floats(0.5, 5000), wanted=st.integers(1, 300))
def test_a_constant_rate_is_absolute(rate: float, wanted: int) -> None:
    """The i-th arrival is at i / rate, however long the schedule: rounding never adds up."""
    load = Load.model_validate({"model": "open", "rate_per_s": rate})
    assert list(islice(offsets_ns(load), wanted)) == [round(i / rate * 1e9) for i in range(wanted)]


@given(
    st.lists(st.tuples(st.floats(0, 200), st.floats(0.1, 5), st.booleans()), min_size=1, max_size=5).filter(
        lambda stages: any(rate > 0 for rate, _, _ in stages)
    )
)
def test_stages_hold_as_many_arrivals_as_their_area(stages: list[tuple[float, float, bool]]) -> None:
    """Arrivals come in order, within the stages, and as many as the rate's integral says."""
    tables = [{"rate_per_s": rate, "for_s": for_s, "ramp": ramp} for rate, for_s, ramp in stages]
    offsets = list(offsets_ns(Load.model_validate({"model": "open", "stages": tables})))
    area, last = 0.0, 0.0
    for rate, for_s, ramp in stages:
        area += ((last if ramp else rate) + rate) / 2 * for_s
        last = rate
    assert all(earlier <= later for earlier, later in pairwise(offsets))
    assert abs(len(offsets) - area) <= 1
    assert all(0 <= offset <= sum(for_s for _, for_s, _ in stages) * 1e9 + 1 for offset in offsets)


@pytest.mark.parametrize(
    ("tables", "planned"),
    [
        ({}, 20),
        ({"registrations": 7}, 7),
        ({"duration_s": 5}, None),
        ({"model": "open", "rate_per_s": 10, "duration_s": 2.5}, 25),
        ({"model": "open", "rate_per_s": 10, "duration_s": 2.5, "registrations": 9}, 9),
        ({"model": "open", "stages": [{"rate_per_s": 10, "for_s": 3}]}, 30),
    ],
)
def test_what_a_load_plans(tables: dict[str, Any], planned: int | None) -> None:
    """A number that is said holds; a schedule is counted; only a closed load with a duration has no number."""
    assert arrivals(Load.model_validate(tables)) == planned


def test_zipf_prefers_the_first_and_reaches_the_last() -> None:
    """Rank k is drawn in proportion to k ** -s: a small cache hits often and still evicts."""
    zipf = Zipf(1.1, random.Random(1))
    drawn = Counter(zipf.rank(1000) for _ in range(20_000))
    weights = [k**-1.1 for k in range(1, 1001)]
    assert drawn[0] / 20_000 == pytest.approx(weights[0] / sum(weights), rel=0.1)
    assert drawn[0] > drawn[1] > drawn[9]
    assert len(drawn) > 800


@given(items=st.lists(st.integers(1, 50), min_size=1, max_size=30), exponent=st.floats(0, 5))
def test_zipf_stays_among_those_that_are_there(items: list[int], exponent: float) -> None:
    """While tenants come, a draw never falls on one that isn't registered yet."""
    zipf = Zipf(exponent, random.Random(2))
    assert all(0 <= zipf.rank(count) < count for count in items)


def test_steps_come_by_their_weight() -> None:
    """Three reads to one write are three to one."""
    steps = Steps({"read": 3, "write": 1}, random.Random(3))
    drawn = Counter(steps.one() for _ in range(4000))
    assert drawn["read"] / drawn["write"] == pytest.approx(3, rel=0.15)


@given(values=st.dictionaries(st.sampled_from(["a", "b_c", "email"]), st.text(max_size=20)))
def test_a_template_fills_like_the_target_file_says(values: dict[str, str]) -> None:
    """Filled from a prepared template or text by text, the request is the same."""
    text = "/x/{a}/{b_c}?{unknown}={a}"
    assert Template(text).fill(values) == filled(text, values)
    body = Template('{"v":"{email}"}', escaped=in_json).fill(values)
    assert json.loads(body)["v"] == values.get("email", "{email}")


def test_a_value_cannot_begin_a_header() -> None:
    """A token that an answer told us can't smuggle a line into the next request."""
    assert Template("X: {a}\r\n", escaped=one_line).fill({"a": "1\r\nY: 2"}) == "X: 1Y: 2\r\n"
