"""Arrival schedules: when each registration is meant to start. Pure.

Absolute, `t0 + offset(i)`, never cumulative: a late start does not move the ones behind it. Stages are trapezoids of
the rate over time; the i-th arrival comes when the rate's integral reaches i.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from harness.clock import NS_PER_S
from harness.scenario import Load, Stage


def arrivals(load: Load) -> int | None:
    """How many registrations a load plans: what it says itself, or as many as its schedule holds.

    Null where only a duration ends a closed load: there as many as fit.
    """
    if load.registrations is not None or load.model != "open":
        return load.registrations
    if load.duration_s is None:
        return sum(1 for _ in offsets_ns(load))
    ends_ns = load.duration_s * NS_PER_S
    return sum(1 for _ in itertools.takewhile(lambda offset_ns: offset_ns < ends_ns, offsets_ns(load)))


def offsets_ns(load: Load) -> Iterator[int]:
    """Offsets of the arrivals of an open model, in nanoseconds from the load's start; ends where the stages do."""
    if load.rate_per_s is not None:
        number = 0
        while True:
            yield round(number / load.rate_per_s * NS_PER_S)
            number += 1
    yield from _staged(load.stages)


def _staged(stages: Sequence[Stage]) -> Iterator[int]:
    """The i-th arrival (from 0) at the moment when the integral of the rate is i."""
    number, begun_s, integral, rate = 0, 0.0, 0.0, 0.0
    for stage in stages:
        first = rate if stage.ramp else stage.rate_per_s
        whole = (first + stage.rate_per_s) / 2 * stage.for_s
        while number < integral + whole or (number == 0 and whole > 0):
            yield round((begun_s + _time_of(number - integral, first, stage.rate_per_s, stage.for_s)) * NS_PER_S)
            number += 1
        begun_s, integral, rate = begun_s + stage.for_s, integral + whole, stage.rate_per_s


def _time_of(count: float, first: float, last: float, for_s: float) -> float:
    """Seconds into a stage at which `count` arrivals have come: solves first*t + (last-first)/(2*for_s)*t^2 = count."""
    slope = (last - first) / for_s
    if slope == 0:
        return count / first
    return (-first + math.sqrt(max(0.0, first * first + 2 * slope * count))) / slope
