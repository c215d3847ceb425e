"""What the wire shows of every time that Redis was away: each attempt to connect, and whether it got an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.clock import NS_PER_S
from harness.judge.windows import FOREVER_NS, Window, windows
from harness.judge.wire import TO_REDIS, Wire, connections
from harness.record.reader import Record
from harness.record.schema import Redis

JUST_BEFORE_NS = 2 * NS_PER_S
TOGETHER_NS = NS_PER_S // 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One fault on Redis that broke the link.

    `runs` are attempts without an answer, one after the other; an answered one between two runs is none of them.
    `later` were made after the fault was over.
    """

    window: Window
    runs: Sequence[Sequence[Wire]]
    later: Sequence[Wire]
    allowed: int | None

    @property
    def attempts(self) -> Sequence[Wire]:
        """The longest run."""
        return max(self.runs, key=len, default=[])

    @property
    def is_exhausted(self) -> bool:
        """Whether every attempt that the target allows itself was made and failed."""
        return self.allowed is not None and len(self.attempts) >= self.allowed

    @property
    def counted(self) -> int:
        """The attempts; those after the outage too where all that are allowed had been made before."""
        return len(self.attempts) + (len(self.later) if self.is_exhausted else 0)


def outages(record: Record) -> list[Outage]:
    """The faults on Redis in which an attempt failed, or in which Redis was seen to be away."""
    wires = connections(record, TO_REDIS)
    spans = windows(record, "redis")
    found = []
    for window in spans:
        until_ns = min((other.begin_ns for other in spans if other.begin_ns > window.begin_ns), default=FOREVER_NS)
        away = _was_away(record, window)
        # The link breaks before the fault's row says so: an eager client has tried again by then.
        within = [wire for wire in wires if window.begin_ns - JUST_BEFORE_NS <= wire.opened.at_ns < window.end_ns]
        cuts_ns = _cuts(wires, window)
        answers = [got_an_answer(wire, unless_told=not away or _was_cut(wire, window, cuts_ns)) for wire in within]
        runs = [[wire for wire, _ in run] for got, run in groupby(zip(within, answers, strict=True), _got) if not got]
        later = [wire for wire in wires if window.end_ns <= wire.opened.at_ns < until_ns]
        if runs or away:
            allowed = record.plan.target.redis.reconnects
            found.append(Outage(window=window, runs=runs, later=later, allowed=allowed))
    return found


def got_an_answer(wire: Wire, *, unless_told: bool = True) -> bool:
    """Whether Redis said anything on this connection; one that is still open is taken to work. A proxy that counts no
    bytes does not tell, then it is `unless_told`."""
    if wire.opened.error:
        return False
    if wire.closed is None:
        return True
    return unless_told if wire.closed.bytes_down is None else wire.closed.bytes_down > 0


def _cuts(wires: Sequence[Wire], window: Window) -> list[int]:
    """When connections that are older than the fault ended in it."""
    older = [wire.closed for wire in wires if wire.opened.at_ns < window.begin_ns]
    return [closed.at_ns for closed in older if closed and window.covers(closed.at_ns)]


def _was_cut(wire: Wire, window: Window, cuts_ns: Sequence[int]) -> bool:
    """Whether the fault cut a connection that had worked: it is older than the fault, or ended together with such."""
    if wire.opened.at_ns < window.begin_ns:
        return True
    return wire.closed is not None and any(abs(wire.closed.at_ns - cut_ns) <= TOGETHER_NS for cut_ns in cuts_ns)


def _got(item: tuple[Wire, bool]) -> bool:
    return item[1]


def _was_away(record: Record, window: Window) -> bool:
    return any(not row.up and window.covers(row.at_ns) for row in record.rows(Redis))
