"""Asks a run's last seconds about its abort rules. It only says that one holds: ending the load is the caller's."""

from __future__ import annotations

from collections.abc import Sequence

from harness.abort_rule import LATENCIES, AbortRule
from harness.clock import NS_PER_S
from harness.gate import Phase
from harness.live.load.recent import Recent, nearest_rank
from harness.scenario import Abort

# With fewer values a percentile is not told apart from the maximum.
N_MIN = {"p50": 2, "p95": 20, "p99": 100}


class AbortWatch:
    """The rules of one run and since when each has held. `check` is to be called a few times a second."""

    def __init__(self, rules: Sequence[Abort], begun_ns: int) -> None:
        self._rules = [Watched(abort, abort.rule) for abort in rules]
        self._phase: Phase = "before"
        self._begun_ns: dict[Phase, int] = {"all": begun_ns, "before": begun_ns}

    def check(self, now_ns: int, recent: Recent, *, in_force: bool, leaks: int | None) -> str:
        """Which rule ends the load, in a sentence; empty where none does."""
        self._follow(now_ns, in_force)
        for watched in self._rules:
            phase = watched.abort.phase
            since_ns = now_ns - round(watched.rule.window_s * NS_PER_S)
            if phase not in ("all", self._phase) or since_ns < self._begun_ns[phase]:
                watched.held_since_ns = None
                continue
            value = figure(watched.rule, recent, since_ns, now_ns, leaks)
            if watched.ends(value, now_ns):
                where = "" if phase == "all" else f" ({phase} faults)"
                return f"{watched.said}{where}: it was {watched.rule.shown(value or 0.0)}"
        return ""

    def _follow(self, now_ns: int, in_force: bool) -> None:
        before: Phase = "before" if self._phase == "before" else "after"
        phase: Phase = "during" if in_force else before
        if phase != self._phase:
            self._phase = phase
            self._begun_ns[phase] = now_ns


class Watched:
    """One rule and since when it has been broken without a break."""

    def __init__(self, abort: Abort, rule: AbortRule) -> None:
        self.abort = abort
        self.rule = rule
        self.held_since_ns: int | None = None
        self.said = f"{'when' if abort.when else 'unless'} {rule.text}"

    def ends(self, value: float | None, now_ns: int) -> bool:
        """Whether the load must end for it. No value settles nothing, and begins the time anew."""
        if value is None or self.rule.holds(value) != (self.abort.when is not None):
            self.held_since_ns = None
            return False
        if self.held_since_ns is None:
            self.held_since_ns = now_ns
        return now_ns - self.held_since_ns >= self.rule.held_s * NS_PER_S


def figure(rule: AbortRule, recent: Recent, since_ns: int, now_ns: int, leaks: int | None) -> float | None:
    """The rule's figure since a moment; null where too little is known to say."""
    if rule.figure == "lag":
        return recent.lag_ms(since_ns)
    if rule.figure == "leaks":
        return leaks
    seen = recent.requests(since_ns, rule.step)
    if rule.figure == "rate":
        return len(seen) / rule.window_s
    if rule.figure in ("failed", "unknown"):
        counted = sum(one.outcome == "unknown" or (rule.figure == "failed" and one.outcome == "failed") for one in seen)
        return counted if not rule.share else counted / len(seen) if seen else None
    waiting = recent.waiting_ms(now_ns) if rule.step in (None, "register") else []
    return _latency(rule, [one.response_ms for one in seen], waiting)


def _latency(rule: AbortRule, values: list[float], waiting: list[float]) -> float | None:
    """Those still waiting count where they have waited for too long already: a target that never answers is slow."""
    assert rule.figure in LATENCIES
    values = values + [age for age in waiting if age > rule.bound]
    if len(values) < N_MIN.get(rule.figure, 1):
        return None
    if rule.figure == "avg":
        return sum(values) / len(values)
    return max(values) if rule.figure == "max" else nearest_rank(values, float(rule.figure[1:]))
