"""Two versions beside each other: each finding before and after, with what repeated runs say of the noise.

From three runs on each side the difference of the medians has a 95 % interval by the bootstrap (the runs of each side
drawn with replacement, the interval between the percentiles of the differences). A difference is clear where that
interval lies on one side of zero; with fewer runs nothing says how much of a difference is noise. A count that is 0 on
a sound backend needs no such bound: 0 in all runs of one side and more in all of the other is clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from harness.clock import dice
from harness.judge.latency import nearest_rank
from harness.judge.model import Finding, RunFacts, Verdict
from harness.plan import Plan

RUNS_MIN = 3
DRAWS = 2000
SEED = 1
HIGHER_IS_BETTER = frozenset({"registrations_ok"})
NEITHER_IS_BETTER = frozenset({"recovered", "role_growth", "generator_lag"})
# What may differ between the scenarios of two runs that are compared: what is asked of a run, not what is done in it.
ASKED = {"gates", "proves", "failure_means"}

Word = Literal["better", "worse", "same", "unclear", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A finding's values in the runs of one side; those of which a run knows none are left out."""

    values: list[float]
    median: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One finding before and after. `low` and `high` bound the difference of the medians, given runs enough."""

    name: str
    title: str
    unit: str
    phase: str
    before: Side
    after: Side
    difference: float | None
    low: float | None
    high: float | None
    word: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All of it. `differences` says in what the runs differ that should not; empty where they may be compared."""

    before: list[RunFacts]
    after: list[RunFacts]
    changes: list[Change]
    differences: list[str]

    @property
    def is_worse(self) -> bool:
        return any(change.word == "worse" for change in self.changes)


def compare(before: Sequence[Verdict], after: Sequence[Verdict], plans: Sequence[Plan] = ()) -> Comparison:
    """The comparison of two sides, at least one run each. `plans` are those of all runs, for what differs in them."""
    known = {(item.name, item.phase): item for verdict in [*before, *after] for item in verdict.findings}
    changes = []
    for (name, phase), item in known.items():
        first, then = _side(before, name, phase), _side(after, name, phase)
        if first.values or then.values:
            changes.append(_change(item, first, then))
    facts_before, facts_after = [item.facts for item in before], [item.facts for item in after]
    return Comparison(
        before=facts_before,
        after=facts_after,
        changes=changes,
        differences=[*differing([*facts_before, *facts_after]), *_differing_scenarios(plans)],
    )


def differing(runs: Sequence[RunFacts]) -> list[str]:
    """In what the runs differ that makes their figures another machine's, stack's, scenario's or target's."""
    looked = {
        "machine": [f"{r.machine.host}, {r.machine.cores} cores, {r.machine.memory_bytes} bytes" for r in runs],
        "system": [r.machine.system for r in runs],
        "stack": [r.stack for r in runs],
        "data": [r.versions.get("data", "unknown") for r in runs],
        "scenario": [r.scenario for r in runs],
        "target": [r.target for r in runs],
    }
    return [f"{what}: {' / '.join(dict.fromkeys(found))}" for what, found in looked.items() if len(set(found)) > 1]


def _differing_scenarios(plans: Sequence[Plan]) -> list[str]:
    done = [plan.scenario.model_dump(exclude=ASKED) for plan in plans]
    keys = [key for key in (done[0] if done else {}) if any(item[key] != done[0][key] for item in done)]
    return [f"scenario.{key}: is not the same in all runs" for key in keys if key != "name"]


def _side(verdicts: Sequence[Verdict], name: str, phase: str) -> Side:
    found = [verdict.finding(name, phase) for verdict in verdicts]
    values = [item.value for item in found if item is not None and item.value is not None]
    return Side(values=values, median=median(values) if values else None)


def _change(item: Finding, before: Side, after: Side) -> Change:
    difference = None if before.median is None or after.median is None else after.median - before.median
    interval = _interval(before.values, after.values, item.name)
    low, high = interval if interval else (None, None)
    return Change(
        name=item.name,
        title=item.title,
        unit=item.unit,
        phase=item.phase,
        before=before,
        after=after,
        difference=difference,
        low=low,
        high=high,
        word=_word(item, before, after, interval),
    )


def _interval(before: Sequence[float], after: Sequence[float], name: str) -> tuple[float, float] | None:
    if min(len(before), len(after)) < RUNS_MIN:
        return None
    draw = dice(SEED, "bootstrap", name)
    drawn = np.sort(
        [median(draw.choices(after, k=len(after))) - median(draw.choices(before, k=len(before))) for _ in range(DRAWS)]
    )
    low, high = nearest_rank(drawn, 2.5), nearest_rank(drawn, 97.5)
    assert low is not None and high is not None
    return low, high


def _word(item: Finding, before: Side, after: Side, interval: tuple[float, float] | None) -> Word:
    if not before.values or not after.values:
        return "unknown"
    if set(before.values) == set(after.values) and len(set(before.values)) == 1:
        return "same"
    if item.expected == "0" and max(before.values) == 0 < min(after.values):
        return "worse"
    if item.expected == "0" and max(after.values) == 0 < min(before.values):
        return "better"
    if interval is None or interval[0] <= 0 <= interval[1] or item.name in NEITHER_IS_BETTER:
        return "unclear"
    is_more = interval[0] > 0
    return "better" if is_more == (item.name in HIGHER_IS_BETTER) else "worse"
