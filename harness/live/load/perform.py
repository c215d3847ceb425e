"""A worker's share of the load from begin to trailer, whatever it consists of and wherever its rows go."""

from __future__ import annotations

from typing import Protocol

import gevent
from locust.env import Environment
from locust.runners import Runner

from harness.clock import NS_PER_MS
from harness.live.load.counts import Counts
from harness.live.load.generator import Generator
from harness.live.load.locust_file import LocustfileLoad, environment_of
from harness.live.load.users import FlowLoad
from harness.plan import Plan
from harness.record.schema import Request, Trailer


class Work(Protocol):
    """What a worker does: the scenario's flows, or a Locust file."""

    def run(self, runner: Runner) -> None: ...

    def counts(self) -> Counts: ...


def perform(generator: Generator, environment: Environment, runner: Runner, begun_ns: int) -> None:
    """Send this worker's share of the load, beginning at a moment of the run's clock, and write the trailer."""
    work: Work = FlowLoad(generator, begun_ns)
    if generator.plan.locustfile is not None:
        work = LocustfileLoad(generator, environment, begun_ns)
    # A user that Locust stops gets the time to end its request: one that is cut off would be in no row.
    environment.stop_timeout = generator.load.request_timeout_s
    environment.events.test_stopping.add_listener(lambda **_: generator.stop("stopped by Locust"))  # type: ignore[no-untyped-call]
    pulse = gevent.spawn(generator.pulse)
    deadline = gevent.spawn_later(generator.load.deadline_s, generator.stop, "deadline")
    work.run(runner)
    deadline.kill()
    pulse.kill()
    generator.recorder.append(trailer(generator, work.counts()), now=True)
    generator.recorder.close()


def trailer(generator: Generator, counts: Counts) -> Trailer:
    return Trailer(
        at_ns=generator.now_ns(),
        worker=generator.name,
        planned=counts.planned,
        ok=counts.ok,
        failed=counts.failed,
        unknown=counts.unknown,
        not_started=counts.planned - counts.begun,
        rows=generator.recorder.rows + 1,
        reason=generator.stopped or "completed",
        clock_offset_ns=generator.clock.offset_ns,
        clock_error_ns=generator.clock.error_ns,
        operations_planned=counts.operations_planned,
        operations=counts.operations,
    )


def environment_for(plan: Plan, host: str) -> Environment:
    """Locust's environment: an empty one for flows, or that of the scenario's Locust file."""
    file = plan.locustfile
    return Environment(host=f"http://{host}") if file is None else environment_of(file, f"http://{host}")


def told(environment: Environment, row: Request) -> None:
    """Let Locust's own statistics know of a request, for its page."""
    environment.events.request.fire(  # type: ignore[no-untyped-call]
        request_type="HTTP",
        name=row.step,
        response_time=(row.end_ns - row.start_ns) / NS_PER_MS,
        response_length=row.bytes_received,
        exception=None if row.outcome == "ok" else RuntimeError(row.error),
        context={},
    )
