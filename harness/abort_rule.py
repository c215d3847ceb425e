"""Rules that end a load early, as scenario files write them: a bound on a figure of the last seconds.

    p95(register) > 2s over 10s        a percentile, over a sliding window
    failed > 50% for 5s                a share that has stayed so for 5 s, each moment over the last second
    rate(register) < 1 over 20s
    lag > 500ms over 5s                the generator's own lateness
    leaks > 0 for 5s                   the claimed ledger's latest count

Figures: p50, p95, p99, avg, max (response times), rate (answers a second), failed (not acknowledged, unknown ones too),
unknown, lag, leaks. All but the last two may name a step in parentheses. `failed` and `unknown` are counts, or
shares where the bound has a %.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

LATENCIES = ("p50", "p95", "p99", "avg", "max")
OF_REQUESTS = (*LATENCIES, "rate", "failed", "unknown")
FIGURES = (*OF_REQUESTS, "lag", "leaks")
IN_MS = (*LATENCIES, "lag")
MS = {"ms": 1.0, "s": 1000.0}
DEFAULT_WINDOW_S = 1.0
EXAMPLE = "write e.g. 'p95(register) > 2s over 10s' or 'failed > 50% for 5s'"

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_RULE = re.compile(
    r"\s*(?P<figure>[a-z0-9]+)\s*(?:\(\s*(?P<step>[a-z0-9_]+)\s*\))?"
    r"\s*(?P<comparison><=|>=|<|>)\s*(?P<bound>\d+(?:\.\d+)?)\s*(?P<unit>%|ms|s)?"
    r"(?:\s+over\s+(?P<over>\d+(?:\.\d+)?)\s*s)?(?:\s+for\s+(?P<held>\d+(?:\.\d+)?)\s*s)?\s*$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortRule:
    """`figure(step) comparison bound`, over the last `window_s`, once it has held for `held_s` without a break.

    `bound` is in milliseconds where the figure is a time, a fraction where `share`. `step` is null for all requests.
    """

    text: str
    figure: str
    step: str | None
    comparison: str
    bound: float
    share: bool
    window_s: float
    held_s: float

    @staticmethod
    def parsed(text: str) -> AbortRule:
        """Raises `ValueError` with what is wrong and the remedy."""
        found = _RULE.match(text)
        if found is None:
            raise ValueError(f"is no abort rule; {EXAMPLE}")
        figure, step, unit = found["figure"], found["step"], found["unit"]
        if figure not in FIGURES:
            raise ValueError(f"'{figure}' is no figure; known: {', '.join(FIGURES)}")
        if step is not None and figure not in OF_REQUESTS:
            raise ValueError(f"{figure} is not of a step; remove ({step})")
        if problem := _unit_problem(figure, unit):
            raise ValueError(problem)
        held_s = float(found["held"] or 0)
        window_s = float(found["over"] or DEFAULT_WINDOW_S)
        if window_s <= 0 or (found["over"] is None and found["held"] is None):
            raise ValueError(f"has no window; {EXAMPLE}")
        scale = {**MS, "%": 0.01}.get(unit or "", 1.0)
        return AbortRule(
            text=" ".join(text.split()),
            figure=figure,
            step=step,
            comparison=found["comparison"],
            bound=float(found["bound"]) * scale,
            share=unit == "%",
            window_s=window_s,
            held_s=held_s,
        )

    def holds(self, value: float) -> bool:
        return _COMPARISONS[self.comparison](value, self.bound)

    def shown(self, value: float) -> str:
        """A value of this figure for people."""
        if self.figure in IN_MS:
            return f"{value:.0f} ms"
        return f"{value:.0%}" if self.share else f"{value:g}"


def _unit_problem(figure: str, unit: str | None) -> str:
    if figure in IN_MS and unit not in MS:
        return f"{figure} is a time; give the bound in ms or s"
    if unit in MS and figure not in IN_MS:
        return f"{figure} is no time; remove the '{unit}'"
    if unit == "%" and figure not in ("failed", "unknown"):
        return f"{figure} is no share; remove the '%'"
    return ""
