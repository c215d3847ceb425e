"""The background mix of one worker: operations on tenants that are registered, beside the registrations or after."""

from __future__ import annotations

import itertools

import gevent
from gevent.event import Event

from harness.clock import NS_PER_S, dice
from harness.live.load.client import HttpClient
from harness.live.load.flights import Flights
from harness.live.load.flow import Flow, Tenant
from harness.live.load.generator import Generator
from harness.live.load.mix import Steps, Zipf
from harness.scenario import Operations

IN_FLIGHT_MAX = 5_000
STOP_POLL_S = 0.1


class Background:
    """Performs this share of the operations. `done` counts those that were sent, whatever came of them."""

    def __init__(self, wanted: Operations, generator: Generator, flow: Flow, registered: Event) -> None:
        self.done = 0
        self._wanted = wanted
        self._generator = generator
        self._flow = flow
        self._registered = registered
        draw = dice(generator.plan.seed, "operations", generator.share.index)
        self._zipf = Zipf(wanted.zipf_exponent, draw)
        self._steps = Steps(wanted.steps, draw)
        self._tenants: list[Tenant] = []
        self._somebody = Event()
        self._left = None if wanted.count is None else generator.share.of(wanted.count)
        self.planned = self._left

    @property
    def users(self) -> int:
        """How many closed users this worker has; a rate needs one to keep the schedule."""
        return 1 if self._wanted.rate_per_s is not None else max(1, self._generator.share.of(self._wanted.users))

    def add(self, tenant: Tenant) -> None:
        """From now on operations may fall on this tenant."""
        self._tenants.append(tenant)
        self._somebody.set()

    def run(self) -> None:
        """One user's operations, until there are none left or nobody to perform them on."""
        if not self._may_begin():
            return
        if self._wanted.rate_per_s is not None:
            self._at_their_moments(self._wanted.rate_per_s)
            return
        client = self._generator.client()
        try:
            while self._take():
                self._one(client, None)
        finally:
            client.close()

    def _may_begin(self) -> bool:
        """Wait for the first tenant, or for the last registration; false where no tenant came of it."""
        begins = [self._registered, self._somebody] if self._wanted.when == "beside" else [self._registered]
        while not self._generator.stopped:
            if gevent.wait(begins, timeout=STOP_POLL_S, count=1):
                return bool(self._tenants)
        return False

    def _take(self) -> bool:
        """Whether one more operation is to be performed; without a count they end with the registrations."""
        if self._generator.stopped:
            return False
        if self._left is None:
            return not self._registered.is_set()
        self._left -= 1
        return self._left >= 0

    def _at_their_moments(self, rate_per_s: float) -> None:
        """The k-th operation of all workers at k / rate, however many are in flight."""
        generator, begun_ns = self._generator, self._generator.now_ns()
        idle: list[HttpClient] = []
        flights = Flights(self._flight, IN_FLIGHT_MAX)
        for k in itertools.count(generator.share.index, generator.share.count):
            intended_ns = begun_ns + round(k / rate_per_s * NS_PER_S)
            if not generator.wait_until(intended_ns) or not self._take():
                break
            generator.starts(intended_ns)
            flights.start(idle, intended_ns)
        flights.join()
        for client in idle:
            client.close()

    def _flight(self, idle: list[HttpClient], intended_ns: int) -> None:
        """One operation on the connection that was used last, or on a new one where all are busy."""
        client = idle.pop() if idle else self._generator.client()
        self._one(client, intended_ns)
        idle.append(client)

    def _one(self, client: HttpClient, intended_ns: int | None) -> None:
        self.done += 1
        tenant = self._tenants[self._zipf.rank(len(self._tenants))]
        self._flow.operate(tenant, client, self._steps.one(), intended_ns=intended_ns)
