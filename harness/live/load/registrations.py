"""The registrations of one worker: who is next, when, and what became of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import gevent
from gevent.event import Event

from harness.clock import NS_PER_S
from harness.live.load.arrival import arrivals, offsets_ns
from harness.live.load.flights import Flights
from harness.live.load.flow import Flow, Tenant
from harness.live.load.generator import Generator
from harness.record.schema import Outcome

IN_FLIGHT_MAX = 20_000


class Registrations:
    """Hands out this share's registrations. `over` is set when the last one has an outcome or none will be started."""

    def __init__(
        self, generator: Generator, flow: Flow, on_registered: Callable[[Tenant], None], begun_ns: int
    ) -> None:
        self.counts: dict[Outcome, int] = {"ok": 0, "failed": 0, "unknown": 0}
        self.over = Event()
        self._generator = generator
        self._flow = flow
        self._on_registered = on_registered
        load = generator.load
        self._planned = arrivals(load)
        self._numbers = generator.share.numbers(self._planned)
        self._begun_ns = begun_ns
        self._ends_ns = None if load.duration_s is None else self._begun_ns + round(load.duration_s * NS_PER_S)
        self._users = 0

    @property
    def begun(self) -> int:
        return self._generator.begun

    @property
    def planned(self) -> int:
        """This worker's part of what the scenario plans; of a closed load with a duration, what was begun."""
        return self._generator.begun if self._planned is None else self._generator.share.of(self._planned)

    @property
    def users(self) -> int:
        """How many closed users this worker has."""
        load = self._generator.load
        return self._generator.share.of(1 if load.model == "sequential" else load.users)

    def one_after_another(self) -> None:
        """A closed user: the next registration as soon as the last has ended, until none is left."""
        self._users += 1
        try:
            while (n := self._next()) is not None:
                self._one(n, None)
                gevent.sleep(self._generator.load.wait_s)
        finally:
            self._users -= 1
            if self._users == 0:
                self.over.set()

    def at_their_moments(self) -> None:
        """An open arrival: each registration at its moment of the absolute schedule, however many are in flight."""
        flows = Flights(self._one, IN_FLIGHT_MAX)
        for n, offset_ns in zip(self._numbers, self._offsets_ns(), strict=False):
            intended_ns = self._begun_ns + offset_ns
            if not self._generator.wait_until(intended_ns):
                break
            self._generator.starts(intended_ns)
            flows.start(n, intended_ns)
        flows.join()
        self.over.set()

    def _offsets_ns(self) -> Iterator[int]:
        share, duration_s = self._generator.share, self._generator.load.duration_s
        ends_ns = math.inf if duration_s is None else duration_s * NS_PER_S
        mine = itertools.islice(offsets_ns(self._generator.load), share.index, None, share.count)
        return itertools.takewhile(lambda offset_ns: offset_ns < ends_ns, mine)

    def _next(self) -> int | None:
        generator = self._generator
        if generator.stopped or (self._ends_ns is not None and generator.now_ns() >= self._ends_ns):
            return None
        return next(self._numbers, None)

    def _one(self, n: int, intended_ns: int | None) -> None:
        """One tenant's whole flow, on a connection of its own, as a new tenant has one."""
        generator = self._generator
        generator.begun += 1
        tenant, client = generator.tenant(n), generator.client()
        try:
            outcome = self._flow.register(tenant, client, generator.load.flow, intended_ns=intended_ns)
        finally:
            client.close()
        self.counts[outcome] += 1
        if outcome == "ok":
            self._on_registered(tenant)
