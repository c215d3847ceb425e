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

import gevent
from locust.env import Environment
from locust.runners import Runner

from harness.clock import NS_PER_MS
from harness.live.load.generator import Generator
from harness.live.load.recorder import Recorder
from harness.live.load.share import Share
from harness.live.load.users import FlowLoad
from harness.plan import Plan
from harness.record.schema import Request, Trailer
from harness.record.writer import RowWriter

GO_POLL_S = 0.005


class Worker:
    """This process's share of the load, on a Locust environment whose runner counts what is told to it."""

    def __init__(self, generator: Generator, environment: Environment, begun_ns: int) -> None:
        self._generator = generator
        self._environment = environment
        self._load = FlowLoad(generator, begun_ns)
        environment.user_classes = self._load.user_classes
        # A user that Locust stops gets the time to end its request: one that is cut off would be in no row.
        environment.stop_timeout = generator.load.request_timeout_s
        environment.events.test_stopping.add_listener(lambda **_: generator.stop("stopped by Locust"))  # type: ignore[no-untyped-call]

    def run(self, runner: Runner) -> None:
        """Send the load and write the trailer; returns when every registration has an outcome or was not started."""
        generator = self._generator
        pulse = gevent.spawn(generator.pulse)
        deadline = gevent.spawn_later(generator.load.deadline_s, generator.stop, "deadline")
        self._environment.events.test_start.fire(environment=self._environment)  # type: ignore[no-untyped-call]
        runner.spawn_users(self._load.users)
        runner.user_greenlets.join()
        deadline.kill()
        pulse.kill()
        generator.recorder.append(self._trailer(), now=True)
        generator.recorder.close()

    def _trailer(self) -> Trailer:
        generator, registrations, background = self._generator, self._load.registrations, self._load.background
        return Trailer(
            at_ns=generator.now_ns(),
            worker=generator.name,
            planned=registrations.planned,
            **registrations.counts,
            not_started=registrations.planned - generator.begun,
            rows=generator.recorder.rows + 1,
            reason=generator.stopped or "completed",
            clock_offset_ns=generator.clock_offset_ns,
            operations_planned=background.planned if background else 0,
            operations=background.done if background else 0,
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
    environment = Environment(host=f"http://{arguments.host}")
    recorder = Recorder(RowWriter(arguments.events), lambda row: told(environment, row))
    plan = Plan.model_validate_json(arguments.plan.read_bytes())
    generator = Generator(plan, share, recorder, name=f"load-{share.index}", host=arguments.host)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, generator.stop, "stopped")
    runner = environment.create_local_runner()
    generator.ready()
    begun_ns = moment_to_begin(generator, arguments.go)
    Worker(generator, environment, begun_ns).run(runner)
    return 0


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
