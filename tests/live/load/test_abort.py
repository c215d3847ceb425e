"""Sliding windows: which rule ends a load, and when."""

from __future__ import annotations

from typing import Any

import pytest

from harness.clock import NS_PER_S
from harness.live.load.abort import AbortWatch
from harness.live.load.recent import Recent
from harness.scenario import Abort


def request(at_s: float, *, ms: float = 10, outcome: str = "ok", step: str = "register", n: int = 0) -> dict[str, Any]:
    end_ns = round(at_s * NS_PER_S)
    intended_ns = end_ns - round(ms * 1e6)
    return {"kind": "request", "n": n, "step": step, "end_ns": end_ns, "intended_ns": intended_ns, "outcome": outcome}


def asked(abort: Abort, rows: list[dict[str, Any]], faults: dict[float, bool] | None = None, until_s: int = 20) -> Any:
    """When the rule ended the load, to a quarter of a second, and what it said; null where it never did."""
    recent, watch, in_force = Recent(60), AbortWatch([abort], 0), False
    rows = sorted(rows, key=lambda row: row.get("end_ns", row.get("at_ns")))
    for quarter in range(1, until_s * 4):
        now_s = quarter / 4
        while rows and rows[0].get("end_ns", rows[0].get("at_ns")) <= now_s * NS_PER_S:
            recent.take(rows.pop(0))
        for at_s, broken in (faults or {}).items():
            in_force = broken if now_s >= at_s else in_force
        if said := watch.check(round(now_s * NS_PER_S), recent, in_force=in_force, leaks=None):
            return now_s, said
    return None


def test_a_percentile_over_a_window() -> None:
    """Slow answers end the load once they are more than 5 % of the last 5 s."""
    fast = [request(i / 10, ms=50) for i in range(100)]
    slow = [request(10 + i / 10, ms=3000) for i in range(100)]
    at_s, said = asked(Abort(when="p95(register) > 2s over 5s"), fast + slow)
    assert 10 <= at_s <= 10.75
    assert said == "when p95(register) > 2s over 5s: it was 3000 ms"
    assert asked(Abort(when="p95(register) > 2s over 5s"), fast) is None


def test_a_gate_in_a_window_ends_the_load_where_it_is_not_kept() -> None:
    """`unless` is the same rule as a promise."""
    slow = [request(i / 10, ms=3000) for i in range(1, 100)]
    assert asked(Abort(unless="p95(register) < 2s over 5s"), slow)[0] == 5
    assert asked(Abort(unless="p95(register) < 4s over 5s"), slow) is None


def test_too_few_values_have_no_percentile() -> None:
    """One slow request of three doesn't say anything of a p95."""
    assert asked(Abort(when="p95 > 1s over 5s"), [request(i * 2, ms=5000) for i in range(1, 9)]) is None


def test_a_share_must_have_lasted() -> None:
    """`for 3s`: a short burst of failures is borne, a lasting one is not."""
    rule = Abort(when="failed > 50% for 3s")
    burst = [request(i / 10, outcome="failed" if 50 < i < 65 else "ok") for i in range(1, 150)]
    assert asked(rule, burst) is None
    lasting = [request(i / 10, outcome="unknown" if i > 50 else "ok") for i in range(1, 150)]
    assert 8 <= asked(rule, lasting)[0] <= 9.5


def test_those_that_are_never_answered_are_slow() -> None:
    """A target that answers nothing has no percentile of its own; what waits counts for as long as it has waited."""
    intents = [{"kind": "intent", "n": n, "at_ns": NS_PER_S} for n in range(30)]
    at_s, _ = asked(Abort(when="p95(register) > 4s over 2s"), intents)
    assert at_s == pytest.approx(5.25)


def test_no_answers_are_a_rate_of_zero() -> None:
    """A rate is known even where nothing comes."""
    assert asked(Abort(when="rate(register) < 1 over 3s"), [request(i / 4) for i in range(1, 20)])[0] == pytest.approx(
        7.75, abs=1.1
    )


def test_a_phase_asks_only_of_itself() -> None:
    """`after`: failures before and during the fault don't count; those after the healing do, once a window is full."""
    rule = Abort(when="failed > 20% over 2s", phase="after")
    bad = [request(i / 10, outcome="failed") for i in range(1, 80)]
    good = [request(8 + i / 10) for i in range(100)]
    faults = {2.0: True, 8.0: False}
    assert asked(rule, bad + good, faults) is None
    at_s, said = asked(rule, bad + [request(8 + i / 10, outcome="failed") for i in range(100)], faults)
    assert at_s == 10
    assert "(after faults)" in said
    during = Abort(when="failed > 20% over 2s", phase="during")
    assert asked(during, bad + good, faults)[0] == 4
    assert asked(Abort(when="failed > 20% over 2s", phase="before"), good, faults) is None


def test_a_late_generator_can_end_the_load() -> None:
    """What the generator says of its own lateness is a figure like any other."""
    lags = [{"kind": "lag", "at_ns": i * NS_PER_S // 4, "lag_max_ns": (i > 20) * NS_PER_S} for i in range(80)]
    assert asked(Abort(when="lag > 500ms over 1s"), lags)[0] == 5.25


def test_what_no_window_reaches_is_forgotten() -> None:
    """A long run doesn't grow the orchestrator."""
    recent = Recent(10)
    for i in range(1000):
        recent.take(request(i / 10))
        recent.forget(round(i / 10 * NS_PER_S))
    assert len(recent.requests(0)) <= 101
