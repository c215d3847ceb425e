"""A load worker on another machine (`harness worker --master HOST`): a Locust worker that gets its share from a run.

It measures how far its clock is from the orchestrator's, writes its rows to a file of its own and sends them home as
they come, and ends when the master has all of them.
"""

# ruff: noqa: E402 - the process must be patched before anything else is imported
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import platform
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import gevent
import locust
from gevent.event import AsyncResult, Event
from gevent.queue import Queue
from locust.env import Environment
from locust.runners import STATE_RUNNING

from harness.clock import monotonic_ns
from harness.live.load import messages
from harness.live.load.clocks import Asked, Offset, offset
from harness.live.load.generator import Generator
from harness.live.load.home import Outgoing
from harness.live.load.perform import environment_for, perform, told
from harness.live.load.recorder import Recorder
from harness.live.load.share import Share
from harness.plan import Plan
from harness.record.writer import RowWriter

QUESTIONS = 20
ANSWER_TIMEOUT_S = 5.0
SEND_PERIOD_S = 0.1
LAST_WORD_PERIOD_S = 0.5
LAST_WORDS_MAX = 120
EXIT_NOT_WANTED = 3
EXIT_UNREACHABLE = 4


class Link:
    """This worker's side of the connection to the master."""

    def __init__(self, environment: Environment, master: tuple[str, int]) -> None:
        self.share: AsyncResult = AsyncResult()
        self.go: AsyncResult = AsyncResult()
        self.stop = Event()
        self.bye: AsyncResult = AsyncResult()
        self.more: Queue = Queue()
        self._times: Queue = Queue()
        self.runner = environment.create_worker_runner(*master)
        for name, act in {
            messages.CLOCK: lambda data: self._times.put(Asked(**data, received_ns=monotonic_ns())),
            messages.SHARE: self.share.set,
            messages.GO: self.go.set,
            messages.STOP: lambda _: self.stop.set(),
            messages.MORE: lambda data: self.more.put(data["length"]),
            messages.BYE: lambda data: self.bye.set(data["why"]),
        }.items():
            self.runner.register_message(name, lambda environment, msg, act=act, **_: act(msg.data))

    def measured(self) -> Offset:
        """Ask the master for its time, one question after the other. Raises `gevent.queue.Empty` without an answer."""
        asked = []
        for _ in range(QUESTIONS):
            self.say(messages.CLOCK, sent_ns=monotonic_ns())
            asked.append(self._times.get(timeout=ANSWER_TIMEOUT_S))
        return offset(asked)

    def say(self, message: str, **data: Any) -> None:
        self.runner.send_message(message, data)


def serve(master: tuple[str, int], folder: Path) -> int:
    """One run's worth of work; the process's exit code."""
    # The file's own listeners hang on Locust's global events, so this environment must have those.
    environment = Environment(events=locust.events)
    link = Link(environment, master)
    clock = link.measured()
    link.say(messages.HELLO, host=platform.node(), offset_ns=clock.offset_ns, error_ns=clock.error_ns)
    gevent.wait([link.share, link.bye], count=1)
    if link.bye.ready():
        print(f"not wanted: {link.bye.get()}", file=sys.stderr)
        return EXIT_NOT_WANTED
    share = link.share.get()
    plan = plan_of(share, folder)
    host = f"{share['target_host'] or master[0]}:{share['target_port']}"
    work = environment_for(plan, host)
    # Locust's runner belongs to the environment that it was made with; what to run comes from the other.
    environment.host, environment.user_classes, environment.shape_class = work.host, work.user_classes, work.shape_class
    environment.parsed_options = work.parsed_options
    rows = RowWriter(folder / "rows.jsonl")
    recorder = Recorder(rows, None if plan.locustfile else lambda row: told(environment, row))
    place = Share(share["index"], share["count"])
    generator = Generator(plan, place, recorder, name=f"load-{place.index}", host=host, clock=clock)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, generator.stop, "stopped")
    stopping = gevent.spawn(stop_when_told, link, generator)
    sending = gevent.spawn(send_home, link, Outgoing(rows.path))
    generator.ready()
    begins_ns = begin(link, generator)
    link.runner.worker_state = STATE_RUNNING
    perform(generator, environment, link.runner, begins_ns)
    sending.kill()
    stopping.kill()
    return last_word(link, Outgoing(rows.path))


def stop_when_told(link: Link, generator: Generator) -> None:
    link.stop.wait()
    generator.stop("stopped")


def plan_of(share: dict[str, Any], folder: Path) -> Plan:
    """The plan as it came; a Locust file is put where this machine's plan says it is."""
    plan = Plan.model_validate_json(share["plan"])
    if share["locustfile"] is None:
        return plan
    (folder / "locustfile.py").write_text(share["locustfile"], encoding="utf-8")
    load = plan.scenario.load.model_copy(update={"locustfile": "locustfile.py"})
    scenario = plan.scenario.model_copy(update={"load": load})
    return plan.model_copy(update={"scenario": scenario, "scenario_file": str(folder / "scenario.toml")})


def begin(link: Link, generator: Generator) -> int:
    """Wait for the moment at which all workers begin."""
    while not link.go.ready() and not generator.stopped:
        gevent.wait([link.go, link.stop], timeout=0.1, count=1)
    begins_ns = link.go.get()["begins_ns"] if link.go.ready() else generator.now_ns()
    generator.wait_until(begins_ns)
    return int(begins_ns)


def send_home(link: Link, rows: Outgoing) -> None:
    """Send what is new of the file a few times a second, and again what the master says it lacks."""
    while True:
        while not link.more.empty():
            rows.back_to(link.more.get())
        while (piece := rows.piece()) is not None:
            link.say(messages.ROWS, begins=piece[0], data=piece[1])
        gevent.sleep(SEND_PERIOD_S)


def last_word(link: Link, rows: Outgoing) -> int:
    """Say how long the whole file is until the master says that it has it. The first pass sends what it may have."""
    length, digest = rows.digest()
    rows.back_to(length)
    for _ in range(LAST_WORDS_MAX):
        if link.bye.ready():
            return 0
        while not link.more.empty():
            rows.back_to(link.more.get())
        while (piece := rows.piece()) is not None:
            link.say(messages.ROWS, begins=piece[0], data=piece[1])
        link.say(messages.DONE, length=length, digest=digest)
        gevent.wait([link.bye], timeout=LAST_WORD_PERIOD_S)
    print("the master does not take the rows any more; the run counts this worker as lost", file=sys.stderr)
    return EXIT_UNREACHABLE


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="harness worker", description=__doc__)
    parser.add_argument("--master", required=True, help="HOST or HOST:PORT of `harness run --workers N`")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="harness-worker-") as folder:
        try:
            return serve(messages.address(arguments.master), Path(folder))
        except ConnectionError:
            print(f"no master answers at {arguments.master}; start `harness run --workers N` first", file=sys.stderr)
            return EXIT_UNREACHABLE


if __name__ == "__main__":
    sys.exit(main())
