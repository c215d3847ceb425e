"""One load worker: a Locust process that registers its share of the tenants and writes every request as a row.

The only module that imports locust. Started by `driver`:

    python -m harness.live.load.worker --plan RUN/plan.json --events FILE --host HOST:PORT --worker I/COUNT

Worker I of COUNT registers the tenants I+1, I+1+COUNT, ..., so that all of them together register exactly N.
"""

# ruff: noqa: E402 - the process must be patched before anything else is imported
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import itertools
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import gevent
from gevent.lock import Semaphore
from gevent.pool import Pool
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from harness.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from harness.live.load.arrival import offsets_ns
from harness.live.load.client import Deadlines, HttpClient
from harness.live.load.flow import Flow, Tenant
from harness.plan import Plan
from harness.record.schema import Lag, Outcome, Request, Trailer
from harness.record.writer import RowWriter

LAG_PERIOD_S = 0.25
IN_FLIGHT_MAX = 20_000


class Worker:
    """This process's share of the load."""

    def __init__(self, plan: Plan, writer: RowWriter, host: str, index: int, count: int) -> None:
        self.plan = plan
        self.load = plan.scenario.load
        self.name = f"load-{index}"
        self.stopped = ""
        self.counts: dict[Outcome, int] = {"ok": 0, "failed": 0, "unknown": 0}
        self.begun = 0
        self.environment = Environment(user_classes=[TenantUser], host=f"http://{host}")
        self._writer = writer
        self._host, _, port = host.rpartition(":")
        self._port = int(port)
        self._share = (index, count)
        self._flow = Flow(plan.target, writer, self.name, now_ns=self.now_ns, on_request=self._told)
        self._lag_max_ns = 0

    def now_ns(self) -> int:
        return monotonic_ns() - self.plan.origin_ns

    def run(self) -> None:
        """Send the load; returns when every registration of this share has an outcome or was not started."""
        ticking = gevent.spawn(self._tick)
        deadline = gevent.spawn_later(self.load.deadline_s, self.stop, "deadline")
        try:
            if self.load.model == "open":
                self._run_open()
            else:
                self._run_closed()
            reason = self.stopped or "completed"
        finally:
            deadline.kill()
            ticking.kill()
        self._end(reason)

    def stop(self, why: str) -> None:
        """Start nothing more; what is in flight is waited for until its own deadlines."""
        self.stopped = self.stopped or why

    def numbers(self) -> Iterator[int]:
        """The registrations of this share, without end where a duration ends the load."""
        index, count = self._share
        last = self.load.registrations
        return itertools.count(1 + index, count) if last is None else iter(range(1 + index, last + 1, count))

    def registered(self, n: int, intended_ns: int | None) -> None:
        """One tenant's whole flow."""
        self.begun += 1
        registration = self.plan.registration(n)
        deadlines = Deadlines(first_byte_s=self.load.request_timeout_s, whole_s=self.load.request_timeout_s)
        client = HttpClient(self._host, self._port, now_ns=self.now_ns, deadlines=deadlines)
        tenant = Tenant(n, registration.tenant, registration.placeholders(), client)
        if intended_ns is not None:
            self._lag_max_ns = max(self._lag_max_ns, self.now_ns() - intended_ns)
        try:
            outcome = self._flow.register(tenant, self.load.flow, intended_ns=intended_ns)
            self.counts[outcome] += 1
        finally:
            client.close()

    def _run_closed(self) -> None:
        """As many Locust users as the scenario says, each taking the next number until none is left."""
        users = 1 if self.load.model == "sequential" else -(-self.load.users // self._share[1])
        ends_ns = self.now_ns() + round((self.load.duration_s or self.load.deadline_s) * NS_PER_S)
        TenantUser.take = Taking(self, ends_ns)
        runner = self.environment.create_local_runner()
        runner.start(users, spawn_rate=max(users, 1))
        TenantUser.take.done.acquire()
        runner.quit()

    def _run_open(self) -> None:
        """Each arrival at its moment of the absolute schedule, however many are in flight."""
        index, count = self._share
        begun_ns = self.now_ns()
        flows = Pool(IN_FLIGHT_MAX)
        schedule = itertools.islice(offsets_ns(self.load), index, None, count)
        for n, offset_ns in zip(self.numbers(), schedule, strict=False):
            if self.load.duration_s is not None and offset_ns >= self.load.duration_s * NS_PER_S:
                break
            intended_ns = begun_ns + offset_ns
            while not self.stopped and (left_ns := intended_ns - self.now_ns()) > 0:
                gevent.sleep(min(left_ns / NS_PER_S, LAG_PERIOD_S))
            if self.stopped:
                break
            flows.spawn(self.registered, n, intended_ns)
        flows.join()

    def _tick(self) -> None:
        """Flushes, and measures how long this process's loop stood still: a late generator must say so."""
        while True:
            due_ns = self.now_ns() + round(LAG_PERIOD_S * NS_PER_S)
            gevent.sleep(LAG_PERIOD_S)
            late_ns = max(0, self.now_ns() - due_ns)
            lag = Lag(
                at_ns=self.now_ns(), worker=self.name, lag_max_ns=max(self._lag_max_ns, late_ns), started=self.begun
            )
            self._lag_max_ns = 0
            self._writer.append(lag, now=True)

    def _told(self, row: Request) -> None:
        """Let Locust's own statistics know."""
        self.environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type="HTTP",
            name=row.step,
            response_time=(row.end_ns - row.start_ns) / NS_PER_MS,
            response_length=row.bytes_received,
            exception=None if row.outcome == "ok" else RuntimeError(row.error),
            context={},
        )

    def _end(self, reason: str) -> None:
        index, count = self._share
        planned = len(range(1 + index, self.load.registrations + 1, count)) if self.load.registrations else self.begun
        trailer = Trailer(
            at_ns=self.now_ns(),
            worker=self.name,
            planned=planned,
            **self.counts,
            not_started=planned - self.begun,
            rows=self._writer.rows + 1,
            reason=reason,
        )
        self._writer.append(trailer, now=True)
        self._writer.close()


class Taking:
    """Hands the next registration to whichever user is free; `done` is released when the last user has ended."""

    def __init__(self, worker: Worker, ends_ns: int) -> None:
        self.worker = worker
        self.done = Semaphore(0)
        self._numbers = worker.numbers()
        self._ends_ns = ends_ns
        self._busy = 0

    def one(self) -> None:
        """Register the next tenant. Raises `StopUser` when there is none, or the load is over."""
        worker = self.worker
        over = bool(worker.stopped) or (worker.load.duration_s is not None and worker.now_ns() >= self._ends_ns)
        n = None if over else next(self._numbers, None)
        if n is None:
            if self._busy == 0:
                self.done.release()
            raise StopUser
        self._busy += 1
        try:
            worker.registered(n, None)
        finally:
            self._busy -= 1


class TenantUser(User):
    """A Locust user: registers one tenant after the other."""

    take: Taking

    @task
    def register(self) -> None:
        self.take.one()


def main() -> int:
    """The process's entry point. A broken disk ends it with a message and without a trailer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--host", required=True, help="HOST:PORT of the backend, through the client edge")
    parser.add_argument("--worker", required=True, help="I/COUNT")
    arguments = parser.parse_args()
    index, count = (int(part) for part in arguments.worker.split("/"))
    plan = Plan.model_validate_json(arguments.plan.read_bytes())
    worker = Worker(plan, RowWriter(arguments.events), arguments.host, index, count)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, worker.stop, "stopped")
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
