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

from harness.live.load.generator import Generator
from harness.live.load.perform import environment_for, perform
from harness.live.load.recorder import Recorder
from harness.live.load.share import Share
from harness.plan import Plan
from harness.record.writer import RowWriter

GO_POLL_S = 0.005


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
    perform(generator, environment, runner, begun_ns)
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
