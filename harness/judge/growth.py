"""What grows with every registration, and does not come back: slopes with their 95 % interval.

A pool that fills, a thread pool that warms up or a cache that reaches its limit grow too, and then stop. So growth is
only called that when all of this holds: the slope's interval lies above zero, the level rises from each quarter of the
registrations to the next, none of these rises is less than a quarter of their mean, and all of them together are more
than `slack`. Else the value is 0, and the interval tells what was seen; where it rose by more than `slack` and some
quarter was not sampled, nobody can tell a leak from a pool that filled, and it is unknown. What there is before the
first registration does not count: pools are empty then, and fill with the first work, whatever comes later. Only the
longest stretch without a fault on the service in question is looked at, since a restart resets everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from harness.clock import NS_PER_S
from harness.judge.windows import Window, merged

REGISTRATIONS_MIN = 8
QUARTERS = 4
STEADY_SHARE = 0.25
CONFIDENCE = 0.975
RECOVERED_NS = 2 * NS_PER_S

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """Samples: how many registrations were done, and the level then."""

    registrations: Values
    levels: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Units per registration. `shown` says whether all criteria of growth hold, `is_open` that they can't be tried for
    lack of samples."""

    slope: float
    low: float
    high: float
    first: float
    last: float
    registrations: int
    shown: bool
    is_open: bool


def growth(series: Series, *, slack: float) -> Growth | None:
    """The growth in a series; null where it spans fewer than `REGISTRATIONS_MIN` registrations."""
    x, y = _lowest(_at_work(series))
    if len(x) < 3 or x[-1] - x[0] < REGISTRATIONS_MIN:
        return None
    slope, low, high = _slope(x, y)
    levels = _quarters(x, y)
    rises = np.diff(levels)
    rose = low > 0 and float(rises.sum()) > slack
    is_sampled = len(levels) == QUARTERS
    is_steady = bool((rises > STEADY_SHARE * rises.mean()).all()) if len(rises) else False
    return Growth(
        slope=slope,
        low=low,
        high=high,
        first=float(y[0]),
        last=float(y[-1]),
        registrations=int(x[-1] - x[0]),
        shown=rose and is_sampled and is_steady,
        is_open=rose and not is_sampled,
    )


def longest_stretch(broken: Sequence[Window], until_ns: int) -> tuple[int, int]:
    """The longest time without any of these faults, and without the moments after one."""
    begin_ns, best = 0, (0, 0)
    for span_begin, span_end in [*merged(window.span for window in broken), (until_ns, until_ns)]:
        end_ns = min(span_begin, until_ns)
        if end_ns - begin_ns > best[1] - best[0]:
            best = (begin_ns, end_ns)
        begin_ns = span_end + RECOVERED_NS
    return best


def _at_work(series: Series) -> Series:
    begun = series.registrations > 0
    return Series(registrations=series.registrations[begun], levels=series.levels[begun])


def _lowest(series: Series) -> tuple[Values, Values]:
    """The lowest level for each number of registrations: what is only in use for a moment is not what stays."""
    x, place = np.unique(series.registrations, return_inverse=True)
    lowest = np.full(len(x), np.inf)
    np.minimum.at(lowest, place, series.levels)
    return x, lowest


def _slope(x: Values, y: Values) -> tuple[float, float, float]:
    """Least squares, with the interval by Student's t."""
    spread = x - x.mean()
    slope = float((spread * y).sum() / (spread**2).sum())
    left = y - y.mean() - slope * spread
    free = len(x) - 2
    error = float(np.sqrt((left**2).sum() / free / (spread**2).sum()))
    half = float(stdtrit(free, CONFIDENCE)) * error
    return slope, slope - half, slope + half


def _quarters(x: Values, y: Values) -> Values:
    """The median level in each quarter of the registrations."""
    bounds = np.linspace(x[0], x[-1], QUARTERS + 1)
    places = np.clip(np.searchsorted(bounds, x, side="right") - 1, 0, QUARTERS - 1)
    return np.array([np.median(y[places == quarter]) for quarter in range(QUARTERS) if (places == quarter).any()])
