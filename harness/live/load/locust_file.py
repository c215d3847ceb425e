"""Any Locust file under this harness: its own users and requests, recorded as rows by way of Locust's events.

Such a file keeps whatever user class it has. What its client hides (whether a byte left, when the first came back) is
not known here either: a request without an answer is `unknown`, unless the connection was refused. Its requests are
nobody's registrations to the harness, so they carry no number.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gevent
import locust
from locust.argument_parser import get_parser
from locust.dispatch import UsersDispatcher
from locust.env import Environment
from locust.runners import Runner, WorkerNode
from locust.util.load_locustfile import load_locustfile

from harness.clock import NS_PER_MS, NS_PER_S
from harness.live.load.counts import Counts
from harness.live.load.generator import Generator
from harness.live.load.share import Share
from harness.record.schema import Outcome, Request

SHAPE_PERIOD_S = 1.0
ERROR_CHARACTERS = 300


def environment_of(path: Path, host: str) -> Environment:
    """Locust's environment for a file, as its command line would make it, but for Locust's configuration files."""
    users, shapes = load_locustfile(str(path))
    if not users:
        raise ValueError(f"{path}: has no Locust user class that is not abstract")
    options = get_parser(default_config_files=[]).parse_args(["--headless"])
    return Environment(
        user_classes=list(users.values()),
        shape_class=shapes[0] if shapes else None,
        events=locust.events,
        host=host,
        locustfile=path.name,
        parsed_options=options,
    )


class LocustfileLoad:
    """This worker's share of the file's users, for the scenario's duration or as long as the file's shape says."""

    def __init__(self, generator: Generator, environment: Environment, begun_ns: int) -> None:
        self._generator = generator
        self._environment = environment
        self._begun_ns = begun_ns
        self._requests = 0
        environment.events.request.add_listener(self._request)  # type: ignore[no-untyped-call]

    def run(self, runner: Runner) -> None:
        """Returns when the time is over and every user has ended."""
        environment, generator = self._environment, self._generator
        for user in environment.user_classes:
            user.host = environment.host
        environment.events.init.fire(environment=environment, runner=runner, web_ui=None)  # type: ignore[no-untyped-call]
        environment.events.test_start.fire(environment=environment)  # type: ignore[no-untyped-call]
        if environment.shape_class is None:
            self._go_to(runner, generator.load.users, environment.user_classes)
            generator.wait_until(self._ends_ns())
        else:
            self._follow_shape(runner, environment.shape_class)
        reason = generator.stopped
        runner.stop()
        # Locust tells everyone that it stops, also where it was us who stopped it.
        generator.stopped = reason

    def counts(self) -> Counts:
        return Counts(operations_planned=None, operations=self._requests)

    def _ends_ns(self) -> int:
        duration_s = self._generator.load.duration_s
        return self._begun_ns + round((duration_s or self._generator.load.deadline_s) * NS_PER_S)

    def _follow_shape(self, runner: Runner, shape: Any) -> None:
        """Ask the file's LoadTestShape every second how many users it wants, until it wants no more."""
        shape.reset_time()
        while not self._generator.stopped and self._generator.now_ns() < self._ends_ns():
            wanted = shape.tick()
            if wanted is None:
                return
            self._go_to(runner, wanted[0], wanted[2] if len(wanted) > 2 else self._environment.user_classes)
            gevent.sleep(SHAPE_PERIOD_S)

    def _go_to(self, runner: Runner, users: int, classes: list[Any]) -> None:
        """Have this worker's share of that many users running, divided among the classes by Locust's own rules."""
        wanted = divided(classes, users, self._generator.share)
        now = runner.user_classes_count
        runner.spawn_users({name: count - now[name] for name, count in wanted.items() if count > now[name]})
        runner.stop_users({name: now[name] - wanted.get(name, 0) for name in now if now[name] > wanted.get(name, 0)})

    def _request(
        self,
        *,
        request_type: str,
        name: str,
        response_time: float | None,
        response_length: int | None,
        exception: BaseException | str | None,
        response: Any = None,
        **_: Any,
    ) -> None:
        """Locust's event of one request, successful or not, as a row."""
        self._requests += 1
        end_ns = self._generator.now_ns()
        start_ns = end_ns - round((response_time or 0.0) * NS_PER_MS)
        status = getattr(response, "status_code", None) or None
        self._generator.recorder.append(
            Request(
                worker=self._generator.name,
                n=None,
                tenant="",
                step=f"{request_type} {name}",
                intended_ns=start_ns,
                start_ns=start_ns,
                first_byte_ns=None,
                end_ns=end_ns,
                status=status,
                outcome=outcome_of(exception, status),
                error=str(exception or "")[:ERROR_CHARACTERS],
                bytes_received=response_length or 0,
            )
        )


def outcome_of(exception: BaseException | str | None, status: int | None) -> Outcome:
    """Failed where the target has answered or could not be reached at all; unknown where the answer is missing."""
    if exception is None:
        return "ok"
    refused = isinstance(exception, ConnectionRefusedError) or "refused" in str(exception).lower()
    return "failed" if status or refused else "unknown"


def divided(classes: list[Any], users: int, share: Share) -> Mapping[str, int]:
    """How many users of each class are this worker's, where all workers together have so many."""
    if not users:
        return {}
    nodes = [WorkerNode(f"{index:05d}") for index in range(share.count)]
    dispatcher = UsersDispatcher(list(nodes), classes)
    dispatcher.new_dispatch(users, users)
    counts: Mapping[str, int] = list(dispatcher)[-1][nodes[share.index].id]
    return counts
