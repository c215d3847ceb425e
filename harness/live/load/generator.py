"""What every part of a worker shares: the plan, this worker's share, the run's clock, and whether to go on."""

from __future__ import annotations

import gc

import gevent

from harness.clock import NS_PER_S, monotonic_ns
from harness.live.load.client import Deadlines, HttpClient
from harness.live.load.clocks import Offset
from harness.live.load.flow import Tenant
from harness.live.load.recorder import Recorder
from harness.live.load.share import Share
from harness.plan import Plan
from harness.record.schema import Lag

SAME_CLOCK = Offset()
PULSE_NS = NS_PER_S // 4
ROWS_OF_ONE_FREEZE_MAX = 1000


class Generator:
    """One worker's state. `clock` is how far this machine's is from the orchestrator's."""

    def __init__(
        self,
        plan: Plan,
        share: Share,
        recorder: Recorder,
        *,
        name: str,
        host: str,
        clock: Offset = SAME_CLOCK,
    ) -> None:
        self.plan = plan
        self.load = plan.scenario.load
        self.share = share
        self.recorder = recorder
        self.name = name
        self.clock = clock
        self.stopped = ""
        self.begun = 0
        self._host, _, port = host.rpartition(":")
        self._port = int(port)
        self._deadlines = Deadlines.within(self.load.request_timeout_s)
        self._shift_ns = clock.offset_ns - plan.origin_ns
        self._lag_max_ns = 0

    def now_ns(self) -> int:
        """The run's clock."""
        return monotonic_ns() + self._shift_ns

    def stop(self, why: str) -> None:
        """Start nothing more; what is in flight is waited for until its own deadlines."""
        self.stopped = self.stopped or why

    def client(self) -> HttpClient:
        """A connection to the target, not opened yet."""
        return HttpClient(self._host, self._port, now_ns=self.now_ns, deadlines=self._deadlines)

    def tenant(self, n: int) -> Tenant:
        """The tenant of registration `n`, as nobody has registered it yet."""
        registration = self.plan.registration(n)
        return Tenant(n, registration.tenant, registration.placeholders())

    def wait_until(self, intended_ns: int) -> bool:
        """Sleep until a moment of the run's clock; false where the load was stopped before it came."""
        while not self.stopped and (left_ns := intended_ns - self.now_ns()) > 0:
            gevent.sleep(min(left_ns, PULSE_NS) / NS_PER_S)
        return not self.stopped

    def starts(self, intended_ns: int) -> None:
        """Something planned for `intended_ns` starts now; its lateness is the generator's."""
        self._lag_max_ns = max(self._lag_max_ns, self.now_ns() - intended_ns)

    def ready(self) -> None:
        """The file's first row: this process is up and can write.

        What was imported stays to the end: looking through all of it again and again for garbage would stop the loop.
        """
        gc.collect()
        gc.freeze()
        self.recorder.append(Lag(at_ns=self.now_ns(), worker=self.name, lag_max_ns=0, started=0), now=True)

    def pulse(self) -> None:
        """Writes four times a second how late this process is: what it started late, and how long its loop stood still.

        A process that was frozen writes a row for every beat that it missed, each with the lateness that something due
        at that beat had; otherwise a freeze of seconds would be one row among hundreds and no percentile would show it.
        """
        due_ns = self.now_ns() + PULSE_NS
        while True:
            gevent.sleep(max(0, due_ns - self.now_ns()) / NS_PER_S)
            now_ns = self.now_ns()
            missed = min((now_ns - due_ns) // PULSE_NS, ROWS_OF_ONE_FREEZE_MAX)
            for beat in range(missed + 1):
                worst_ns = max(now_ns - due_ns - beat * PULSE_NS, 0 if beat else self._lag_max_ns)
                self.recorder.append(
                    Lag(at_ns=now_ns, worker=self.name, lag_max_ns=worst_ns, started=self.begun), now=beat == missed
                )
            self._lag_max_ns = 0
            due_ns += (missed + 1) * PULSE_NS
