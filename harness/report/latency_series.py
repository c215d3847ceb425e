"""Latency over time and its distribution: every request where a chart can carry them, else a faithful aggregate.

The aggregate keeps, for each stretch of time, step and outcome, the least, the median, the 95th percentile (nearest
rank), the greatest value and the count; the slowest requests and those that are not ok stay as points of their own.
Response time runs from the intended start, service time from the actual one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from harness.clock import NS_PER_MS, NS_PER_S

POINTS_MAX = 2_500
STRETCHES = 100
OUTLIERS = 120
NOT_OK = 250
STEPS_MAX = 12
BINS_A_DECADE = 10

MEASURES = {"response": "intended_ns", "service": "start_ns"}
Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LatencySeries:
    """Rows for charts. `points` have every request if `whole`, else those that stand out; `stretches` is empty then."""

    n: int
    whole: bool
    steps: list[str]
    points: list[Table] = field(default_factory=list)
    stretches: list[Table] = field(default_factory=list)
    histogram: list[Table] = field(default_factory=list)


def latency_series(frame: pd.DataFrame) -> LatencySeries:
    """The series of a run's requests, `measured`."""
    steps = _steps(frame)
    frame = frame[frame["step"].isin(steps)]
    whole = len(frame) <= POINTS_MAX
    chosen = frame if whole else _standing_out(frame)
    return LatencySeries(
        n=len(frame),
        whole=whole,
        steps=steps,
        points=[] if frame.empty else _points(chosen),
        stretches=[] if whole else list(_stretches(frame)),
        histogram=[row for measure in MEASURES for row in _histogram(frame, measure)],
    )


def measured(requests: pd.DataFrame) -> pd.DataFrame:
    """The requests with `t` (seconds), `response` and `service` (milliseconds)."""
    columns = {
        name: (requests["end_ns"] - requests[start]).to_numpy(dtype=float) / NS_PER_MS
        for name, start in MEASURES.items()
    }
    return requests.assign(t=requests["start_ns"].to_numpy(dtype=float) / NS_PER_S, **columns)


def _steps(frame: pd.DataFrame) -> list[str]:
    """`register` first, then by how often they were sent; a bounded number."""
    counted = frame["step"].value_counts()
    names = [str(name) for name, count in counted.items() if count]
    return sorted(names, key=lambda name: name != "register")[:STEPS_MAX]


def _standing_out(frame: pd.DataFrame) -> pd.DataFrame:
    """The slowest of each step, and requests that are not ok, evenly over time where they are many."""
    slowest = [part.nlargest(OUTLIERS, "response") for _, part in frame.groupby("step", observed=True)]
    bad = frame[frame["outcome"] != "ok"]
    every = max(1, len(bad) // NOT_OK)
    return pd.concat([*slowest, bad.iloc[::every]]).drop_duplicates(["worker", "start_ns", "tenant", "step"])


def _points(frame: pd.DataFrame) -> list[Table]:
    shown = frame[["t", "step", "outcome", "response", "service", "tenant"]].sort_values("t")
    shown = shown.assign(**{name: shown[name].round(3) for name in ("t", *MEASURES)})
    return records(shown.astype(dict.fromkeys(("step", "outcome", "tenant"), object)))


def records(frame: pd.DataFrame) -> list[Table]:
    """A row a dictionary, by the names of the columns."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _stretches(frame: pd.DataFrame) -> Iterator[Table]:
    """Equal stretches of time, each step and outcome apart."""
    begin, end = float(frame["t"].min()), float(frame["t"].max())
    width = max((end - begin) / STRETCHES, 1e-3)
    stretch = np.minimum(((frame["t"].to_numpy() - begin) / width).astype(int), STRETCHES - 1)
    steps, step_names = pd.factorize(frame["step"])
    outcomes, outcome_names = pd.factorize(frame["outcome"])
    key = (steps * len(outcome_names) + outcomes) * STRETCHES + stretch
    ranked = {name: ranks(key, frame[name].to_numpy()) for name in MEASURES}
    for index, group in enumerate(ranked["response"]["key"]):
        kind, at = divmod(int(group), STRETCHES)
        step, outcome = divmod(kind, len(outcome_names))
        row: Table = {"from": round(begin + at * width, 3), "to": round(begin + (at + 1) * width, 3)}
        row |= {"step": str(step_names[step]), "outcome": str(outcome_names[outcome])}
        row["n"] = int(ranked["response"]["n"][index])
        for name, figures in ranked.items():
            row |= {f"{name}_{what}": round(float(figures[what][index]), 3) for what in ("min", "p50", "p95", "max")}
        yield row


def ranks(key: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    """Count, least, nearest-rank median and 95th percentile, and greatest value of each group of `key`."""
    by_value = np.argsort(values)  # then a radix sort, which small keys allow
    order = by_value[np.argsort(key[by_value].astype(np.int16), kind="stable")]
    keys, sorted_values = key[order], values[order]
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.array([], dtype=int)
    count = np.diff(np.r_[first, len(keys)])
    at = {percent: first + np.ceil(percent / 100 * count).astype(int) - 1 for percent in (50, 95)}
    return {
        "key": keys[first],
        "n": count,
        "min": sorted_values[first],
        "p50": sorted_values[at[50]],
        "p95": sorted_values[at[95]],
        "max": sorted_values[first + count - 1],
    }


def _histogram(frame: pd.DataFrame, measure: str) -> Iterator[Table]:
    """Counts in equal steps of the logarithm, each step and outcome apart."""
    exponent = np.floor(np.log10(np.maximum(frame[measure].to_numpy(), 0.01)) * BINS_A_DECADE)
    counted = frame.assign(bin=exponent.astype(int)).groupby(["step", "outcome", "bin"], observed=True).size()
    for step, outcome, number, count in counted.reset_index(name="n").itertuples(index=False):
        yield {
            "measure": measure,
            "step": str(step),
            "outcome": str(outcome),
            "from": round(10 ** (number / BINS_A_DECADE), 4),
            "to": round(10 ** ((number + 1) / BINS_A_DECADE), 4),
            "n": int(count),
        }
