"""The observers end when they are told to, whatever a source's client library does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.clock import Clock, monotonic_ns
from harness.live.observe import Observers
from harness.live.prepare import RunRequest, prepare
from harness.live.stack import Address, PostgresAccess
from harness.record.schema import Row, Statistics
from harness.record.writer import RowWriter

NOWHERE = Address("127.0.0.1", 9)
ENDS_WITHIN_S = 30


@dataclass
class NobodyThere:
    """As much of a stack as the observers look at, with nothing behind it."""

    redis: Address = NOWHERE
    backend: Address = NOWHERE
    client: Address = NOWHERE
    postgres: PostgresAccess = field(
        default_factory=lambda: PostgresAccess(address=NOWHERE, user="u", password="p", control_database="control")
    )


class Swallower:
    """A source whose library takes the first cancellation for an answer, as `asyncio.wait_for` could before 3.12."""

    name = "redis"

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.swallowed = False

    async def sample(self, at_ns: Callable[[], int], registrations_done: int) -> list[Row]:
        self.asked.set()
        try:
            await asyncio.sleep(ENDS_WITHIN_S)
        except asyncio.CancelledError:
            if self.swallowed:
                raise
            self.swallowed = True
        return []

    async def close(self) -> None:
        """Nothing is held."""


def observing(tmp_path: Path, done: Callable[[], int] = lambda: 0) -> Observers:
    plan = prepare(RunRequest(scenario="redis-kill")).plan("run", "embedded")
    return Observers(
        plan,
        NobodyThere(),  # type: ignore[arg-type]
        writer=RowWriter(tmp_path / "observe.jsonl"),
        clock=Clock(monotonic_ns()),
        registrations_done=done,
    )


class Growing:
    """Statistics by which each look finds one more connection that was opened and never closed."""

    name = "statistics"

    def __init__(self) -> None:
        self.looks = 0

    async def sample(self, at_ns: Callable[[], int], registrations_done: int) -> list[Row]:
        self.looks += 1
        return [Statistics(at_ns=at_ns(), registrations_done=0, created=self.looks, cached=0, closed=0)]

    async def close(self) -> None:
        """Nothing is held."""


async def test_the_leaks_that_are_shown_are_those_at_rest(tmp_path: Path) -> None:
    """What the final read opens and evicts later is written down, but not told as a leak."""
    observers = observing(tmp_path)
    source = Growing()
    observers._sources = [source]
    await observers.final()
    assert observers.latest.leaks == source.looks == 1
    await observers._sample(source, 0)
    assert observers.latest.leaks == 1 and source.looks == 2
    await observers.stop()


async def test_quick_registrations_are_looked_at_all_along(tmp_path: Path) -> None:
    """Twenty of them in a fifth of a second, within one period of sampling: growth needs looks at many numbers."""
    counted = [0]
    observers = observing(tmp_path, lambda: counted[0])
    source = Growing()
    observers._sources = [source]
    observers._every = None
    await observers.start()
    for number in range(1, 21):
        counted[0] = number
        await asyncio.sleep(0.02)
    await observers.stop()
    assert source.looks >= 8


async def test_a_swallowed_cancellation_does_not_keep_an_observer_going(tmp_path: Path) -> None:
    """`stop` returns though a source lost the cancellation: a run's end never hangs on a client library."""
    observers = observing(tmp_path)
    source = Swallower()
    observers._sources = [source]
    await observers.start()
    await source.asked.wait()
    async with asyncio.timeout(ENDS_WITHIN_S / 2):
        await observers.stop()
    assert source.swallowed
