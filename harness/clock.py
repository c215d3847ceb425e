"""The one module that reads clocks, waits and draws: everything else gets time and dice as arguments.

One clock serves every process of the machine: `CLOCK_MONOTONIC` nanoseconds minus the run's origin, which the plan
carries. Rows of different writers can therefore be laid beside each other without correction.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def monotonic_ns() -> int:
    """`CLOCK_MONOTONIC` in nanoseconds: the same value in every process of this machine."""
    return time.monotonic_ns()


def utc_now() -> datetime:
    """The wall clock, for people and folder names only; no duration is ever computed from it."""
    return datetime.now(UTC)


def dice(seed: int, *names: str | int) -> random.Random:
    """A generator of its own for each purpose, so that adding one draw does not move the others."""
    return random.Random("/".join([str(seed), *map(str, names)]))


@dataclass(frozen=True, slots=True)
class Clock:
    """Nanoseconds since a run's origin."""

    origin_ns: int

    def now_ns(self) -> int:
        return time.monotonic_ns() - self.origin_ns

    async def sleep_until_ns(self, at_ns: int) -> None:
        await asyncio.sleep(max(0.0, (at_ns - self.now_ns()) / NS_PER_S))


class WaitTimeout(TimeoutError):
    """A bounded wait ran out; the message says what was awaited, for how long, and what was last seen."""


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]],
    *,
    what: str,
    timeout_s: float,
    interval_s: float = 0.02,
    last_seen: Callable[[], str] | None = None,
) -> None:
    """Wait until `condition` holds (sync or async), asking every `interval_s`.

    An exception that the condition raises counts as "not yet" and is told when the time is up.
    Raises `WaitTimeout` naming `what` after `timeout_s`; one ask never outlasts the deadline.
    """
    deadline = time.monotonic() + timeout_s
    trouble = ""
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            seen = last_seen() if last_seen else trouble
            raise WaitTimeout(f"waited {timeout_s:g} s for {what}" + (f"; last seen: {seen}" if seen else ""))
        try:
            answer = condition()
            if inspect.isawaitable(answer):
                # Not `asyncio.wait_for`: before Python 3.12 it swallows a cancellation that comes as its work is done.
                async with asyncio.timeout(left_s):
                    answer = await answer
            if answer:
                return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told when the wait runs out
            trouble = f"{type(error).__name__}: {error}"
        await asyncio.sleep(min(interval_s, max(0.0, deadline - time.monotonic())))
