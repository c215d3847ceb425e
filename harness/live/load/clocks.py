"""How far a worker's clock is from the orchestrator's: measured by asking for the time, as NTP does. Pure.

Of one question the answer's time lies between sending and receiving; in the middle, give or take half of that. The
question that took the shortest bounds it best. https://www.rfc-editor.org/rfc/rfc5905#section-8
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """`offset_ns` added to the own monotonic clock gives the orchestrator's, give or take `error_ns`."""

    offset_ns: int = 0
    error_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question: own clock when it was sent and when it was answered, the other's clock in between."""

    sent_ns: int
    told_ns: int
    received_ns: int


def offset(questions: Iterable[Asked]) -> Offset:
    """The best of several questions, of which there must be one."""
    best = min(questions, key=lambda one: one.received_ns - one.sent_ns)
    middle_ns = (best.sent_ns + best.received_ns) // 2
    return Offset(offset_ns=best.told_ns - middle_ns, error_ns=(best.received_ns - best.sent_ns + 1) // 2)
