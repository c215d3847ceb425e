"""The load's last seconds: what the abort rules and the dashboard ask of the rows as they come in."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.clock import NS_PER_MS, NS_PER_S

KEPT_S_MIN = 10.0
ORDER_NS = NS_PER_S


@dataclass(frozen=True, slots=True)
class Seen:
    """One answered (or failed) request."""

    end_ns: int
    step: str
    response_ms: float
    outcome: str


class Recent:
    """A sliding window over the requests of all workers, and the registrations that have no outcome yet."""

    def __init__(self, kept_s: float = KEPT_S_MIN) -> None:
        self._kept_ns = round(max(kept_s, KEPT_S_MIN) * NS_PER_S)
        self._seen: deque[Seen] = deque()
        self._lags: deque[tuple[int, float]] = deque()
        self._open: dict[int, int] = {}

    def take(self, row: Mapping[str, Any]) -> None:
        """A row of a worker's file."""
        kind = row["kind"]
        if kind == "intent":
            self._open[row["n"]] = row["at_ns"]
        elif kind == "lag":
            self._lags.append((row["at_ns"], row["lag_max_ns"] / NS_PER_MS))
        elif kind == "request":
            if row["step"] == "register":
                self._open.pop(row["n"], None)
            response_ms = (row["end_ns"] - row["intended_ns"]) / NS_PER_MS
            self._seen.append(Seen(row["end_ns"], row["step"], response_ms, row["outcome"]))

    def forget(self, now_ns: int) -> None:
        """Let go of what no window reaches any more. Workers' rows come in almost in order; that is near enough."""
        while self._seen and self._seen[0].end_ns < now_ns - self._kept_ns:
            self._seen.popleft()
        while self._lags and self._lags[0][0] < now_ns - self._kept_ns:
            self._lags.popleft()

    def requests(self, since_ns: int, step: str | None = None) -> list[Seen]:
        """Those that ended since then. Files come in a little out of order, so the search goes on for `ORDER_NS`."""
        late = itertools.takewhile(lambda seen: seen.end_ns >= since_ns - ORDER_NS, reversed(self._seen))
        return [seen for seen in late if seen.end_ns >= since_ns and step in (None, seen.step)]

    def waiting_ms(self, now_ns: int) -> list[float]:
        """For how long each registration in flight has been waiting: at least so long it will have taken."""
        return [(now_ns - begun_ns) / NS_PER_MS for begun_ns in self._open.values()]

    def lag_ms(self, since_ns: int) -> float | None:
        return max((lag for at_ns, lag in self._lags if at_ns >= since_ns), default=None)


def nearest_rank(values: list[float], percent: float) -> float | None:
    """The exact percentile of unsorted values: the smallest with at least `percent` of them at or below it."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]
