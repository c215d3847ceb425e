"""One load worker: a Locust process that registers its share of the tenants and writes every request as a row.

Started by `driver`:

    python -m harness.live.load.worker --plan RUN/plan.json --events FILE --host HOST:PORT --worker I/COUNT

Worker I of COUNT registers the tenants I+1, I+1+COUNT, ..., so that all of them together register exactly N.
"""

# ruff: noqa: E402 - the process must be patched before anything else is imported
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import signal
import sys
from pathlib import Path
from typing import Protocol

import gevent
from locust.env import Environment
from locust.runners import Runner

from harness.clock import NS_PER_MS
from harness.live.load.counts import Counts
from harness.live.load.generator import Generator
from harness.live.load.locust_file import LocustfileLoad, environment_of
from harness.live.load.recorder import Recorder
from harness.live.load.share import Share
from harness.live.load.users import FlowLoad
from harness.plan import Plan
from harness.record.schema import Request, Trailer
from harness.record.writer import RowWriter

GO_POLL_S = 0.005


class Work(Protocol):
    """What a worker does: the scenario's flows, or a Locust file."""

    def run(self, runner: Runner) -> None: ...

    def counts(self) -> Counts: ...


def perform(generator: Generator, environment: Environment, work: Work, runner: Runner) -> None:
    """Send this worker's share of the load and write the trailer."""
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
        clock_offset_ns=generator.clock_offset_ns,
        operations_planned=counts.operations_planned,
        operations=counts.operations,
    )


def told(environment: Environment, row: Request) -> None:
    """Let Locust's own statistics know of a request."""
    environment.events.request.fire(  # type: ignore[no-untyped-call]
        request_type="HTTP",
        name=row.step,
        response_time=(row.end_ns - row.start_ns) / NS_PER_MS,
        response_length=row.bytes_received,
        exception=None if row.outcome == "ok" else RuntimeError(row.error),
        context={},
    )


def main() -> int:
    """The process's entry point. A broken disk ends it with a message and without a trailer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--host", required=True, help="HOST:PORT of the backend, through the client edge")
    parser.add_argument("--worker", required=True, help="I/COUNT")
    parser.add_argument("--go", type=Path, help="a file that will tell the moment to begin, in ns of the run's clock")
    arguments = parser.parse_args()
    share = Share.parsed(arguments.worker)
    plan = Plan.model_validate_json(arguments.plan.read_bytes())
    environment = environment_for(plan, arguments.host)
    recorder = Recorder(RowWriter(arguments.events))
    generator = Generator(plan, share, recorder, name=f"load-{share.index}", host=arguments.host)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, generator.stop, "stopped")
    runner = environment.create_local_runner()
    generator.ready()
    begun_ns = moment_to_begin(generator, arguments.go)
    perform(generator, environment, work_of(generator, environment, begun_ns), runner)
    return 0


def environment_for(plan: Plan, host: str) -> Environment:
    """Locust's environment: an empty one for flows, or that of the scenario's Locust file."""
    file = plan.locustfile
    return Environment(host=f"http://{host}") if file is None else environment_of(file, f"http://{host}")


def work_of(generator: Generator, environment: Environment, begun_ns: int) -> Work:
    if generator.plan.locustfile is not None:
        return LocustfileLoad(generator, environment, begun_ns)
    return FlowLoad(generator, begun_ns)


def moment_to_begin(generator: Generator, go: Path | None) -> int:
    """Wait for the moment that the parent has all workers begin at; without one, begin now."""
    while go is not None and not generator.stopped:
        if go.exists():
            begun_ns = int(go.read_text())
            generator.wait_until(begun_ns)
            return begun_ns
        gevent.sleep(GO_POLL_S)
    return generator.now_ns()


if __name__ == "__main__":
    sys.exit(main())
