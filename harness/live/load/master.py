"""The Locust master of a run: waits for its workers, gives each its share, brings their rows home.

Started by `driver`, a process of its own because Locust patches whatever process it lives in:

    python -m harness.live.load.master --plan FILE --events FOLDER --listen HOST:PORT --target HOST:PORT
                                       --workers N --go FILE [--web HOST:PORT]

Each worker's rows land in `FOLDER/load-<index>.jsonl` as if it had run here.
"""

# ruff: noqa: E402 - the process must be patched before anything else is imported
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING, STATE_RUNNING, MasterRunner

from harness.clock import NS_PER_S, monotonic_ns
from harness.live.load import messages
from harness.live.load.home import Incoming
from harness.live.load.recorder import end_unrecorded
from harness.live.load.relay import reachable
from harness.plan import Plan

POLL_S = 0.01
FAREWELL_S = 1.0
LOST_AFTER_S = 5.0


@dataclass
class Member:
    """One worker of the crew."""

    client_id: str
    host: str
    rows: Incoming
    done: bool = False
    missing_since_ns: int | None = None


class Master:
    """Who belongs to the crew, and how far each is. Workers beyond the wanted number are sent away."""

    def __init__(self, plan: Plan, events: Path, runner: MasterRunner, wanted: int, target: tuple[str, int]) -> None:
        self.members: dict[str, Member] = {}
        self._plan = plan
        self._events = events
        self._wanted = wanted
        self._target = target
        self._runner = runner
        for name, act in {
            messages.CLOCK: self._clock,
            messages.HELLO: self._hello,
            messages.ROWS: self._rows,
            messages.DONE: self._done,
        }.items():
            self._runner.register_message(name, act)

    def everybody(self, message: str, **data: Any) -> None:
        """Tell every worker that is still at it."""
        for member in self.members.values():
            if not member.done:
                self._say(message, member.client_id, **data)

    @property
    def is_over(self) -> bool:
        """Whether every worker has brought its rows home or was lost."""
        self._look_for_lost()
        return all(member.done for member in self.members.values())

    def _look_for_lost(self) -> None:
        """A worker that has been missing by Locust's heartbeat for too long won't come back in time to count."""
        now_ns = monotonic_ns()
        for member in self.members.values():
            node = self._runner.clients.get(member.client_id)
            if node is not None and node.state != STATE_MISSING:
                member.missing_since_ns = None
            elif member.missing_since_ns is None:
                member.missing_since_ns = now_ns
            if (
                not member.done
                and member.missing_since_ns
                and now_ns - member.missing_since_ns > LOST_AFTER_S * NS_PER_S
            ):
                member.done = True
                print(f"lost the worker on {member.host}: no word from it", file=sys.stderr, flush=True)

    def _say(self, message: str, client_id: str, **data: Any) -> None:
        self._runner.send_message(message, data, client_id=client_id)

    def _clock(self, environment: Environment, msg: Any, **_: Any) -> None:
        self._say(messages.CLOCK, msg.node_id, sent_ns=msg.data["sent_ns"], told_ns=monotonic_ns())

    def _hello(self, environment: Environment, msg: Any, **_: Any) -> None:
        if len(self.members) >= self._wanted:
            self._say(messages.BYE, msg.node_id, why=f"this run has its {self._wanted} workers already")
            return
        index = len(self.members)
        rows = Incoming(self._events / f"load-{index}.jsonl")
        self.members[msg.node_id] = Member(msg.node_id, msg.data["host"], rows)
        print(f"worker {index}: {msg.data['host']}, clock {msg.data['offset_ns']} ns", file=sys.stderr, flush=True)
        file = self._plan.locustfile
        self._say(
            messages.SHARE,
            msg.node_id,
            plan=self._plan.model_dump_json(),
            locustfile=None if file is None else file.read_text(encoding="utf-8"),
            index=index,
            count=self._wanted,
            target_host=self._target[0],
            target_port=self._target[1],
        )

    def _rows(self, environment: Environment, msg: Any, **_: Any) -> None:
        member = self.members[msg.node_id]
        try:
            if not member.rows.take(msg.data["begins"], msg.data["data"]):
                self._say(messages.MORE, msg.node_id, length=member.rows.length)
        except OSError as error:
            end_unrecorded(error)

    def _done(self, environment: Environment, msg: Any, **_: Any) -> None:
        member = self.members[msg.node_id]
        member.done = member.rows.is_whole(msg.data["length"], msg.data["digest"])
        if member.done:
            self._say(messages.BYE, msg.node_id, why="")
        else:
            self._say(messages.MORE, msg.node_id, length=member.rows.length)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--listen", required=True, help="HOST:PORT for the workers")
    parser.add_argument("--target", required=True, help="HOST:PORT of the client edge")
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--go", type=Path, required=True)
    parser.add_argument("--web", help="HOST:PORT of Locust's own page")
    arguments = parser.parse_args()
    host, port = messages.address(arguments.listen)
    plan = Plan.model_validate_json(arguments.plan.read_bytes())
    environment = Environment()
    runner = environment.create_master_runner(host, port)
    master = Master(plan, arguments.events, runner, arguments.workers, reachable(host, arguments.target))
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stopping.append, number)
    if arguments.web:
        del sys.argv[1:]  # Locust's page reads the command line as if it were Locust's.
        environment.create_web_ui(*messages.address(arguments.web))
    while not arguments.go.exists() and not stopping:
        gevent.sleep(POLL_S)
    runner.update_state(STATE_RUNNING)
    if not stopping:
        master.everybody(messages.GO, begins_ns=int(arguments.go.read_text()))
    conduct(master, stopping)
    return 0


def conduct(master: Master, stopping: list[int]) -> None:
    """Until every worker is home; the first signal stops the load in order."""
    asked = False
    while not master.is_over:
        if stopping and not asked:
            asked = True
            master.everybody(messages.STOP)
        gevent.sleep(POLL_S)
    gevent.sleep(FAREWELL_S)  # The last words must leave before their socket does.


if __name__ == "__main__":
    sys.exit(main())
