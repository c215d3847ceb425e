"""A small tenant backend that keeps its own log, and workers that load it, for the tests of the load engine."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.live.prepare import this_machine
from harness.plan import Plan
from harness.scenario import Scenario
from harness.target import Target

TARGET = {
    "name": "stand-in",
    "database": {"tenant": "t_{tenant_id}", "tenant_pattern": "^t_"},
    "health": {"check": "/health"},
    "steps": {
        "register": {
            "method": "POST",
            "path": "/register",
            "body": {"email": "{email}"},
            "ok": [201],
            "save": {"tenant_id": "id"},
        },
        "register_later": {
            "method": "POST",
            "path": "/register-later",
            "body": {"email": "{email}"},
            "ok": [202],
            "save": {"tenant_id": "id", "job": "job"},
            "poll": "job",
        },
        "job": {"path": "/job/{job}", "until": "state == 'done'", "fails": "state == 'failed'"},
        "login": {"path": "/login/{tenant_id}"},
        "write": {"method": "POST", "path": "/write/{tenant_id}", "body": {"value": "{canary}"}},
        "read": {"path": "/read/{tenant_id}", "headers": {"X-Tenant": "{tenant_id}"}},
    },
}


@dataclass
class Backend:
    """Answers everything; `behave` may wait, or give a status and body of its own. `log` has what was received."""

    behave: Callable[[str, str], tuple[int, Any] | None] = lambda method, path: None
    log: list[tuple[int, int, str]] = field(default_factory=list)
    url: str = ""
    polls: dict[str, int] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        own = self.behave(method, path)
        if own is not None:
            return own
        kind, _, rest = path.strip("/").partition("/")
        if kind.startswith("register"):
            tenant = json.loads(body)["email"].partition("@")[0]
            return (201, {"id": tenant}) if kind == "register" else (202, {"id": tenant, "job": tenant})
        if kind == "job":
            self.polls[rest] = self.polls.get(rest, 0) + 1
            return 200, {"state": "done" if self.polls[rest] >= 3 else "running"}
        return 200, {"ok": True}

    def count(self, prefix: str) -> int:
        return sum(1 for _, _, path in self.log if path.startswith(prefix))


@pytest.fixture
def backend() -> Iterator[Backend]:
    served = Backend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            received = time.monotonic_ns()
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, told = served.answer(self.command, self.path, body)
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            served.log.append((received, time.monotonic_ns(), self.path))

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            """Nothing is printed: the log is kept."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 512
        daemon_threads = True

        def handle_error(self, *arguments: object) -> None:
            """A client that was killed on purpose is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    served.url = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def make_plan(load: dict[str, Any], *, seed: int = 7, **scenario: Any) -> Plan:
    """The plan of a load against the stand-in backend, its clock beginning now."""
    return Plan(
        harness_version="0",
        run_id="test-run",
        created_at="2026-01-01T00:00:00.000+00:00",
        origin_ns=time.monotonic_ns(),
        seed=seed,
        stack="embedded",
        scenario_file="a.toml",
        target_file="t.toml",
        scenario=Scenario.model_validate({"name": "a", "proves": "b", "load": load, **scenario}),
        target=Target.model_validate(TARGET),
        machine=this_machine(),
    )


@dataclass
class Loading:
    """Workers that are running, each with its own file of rows."""

    processes: list[subprocess.Popen[str]]
    files: list[Path]

    def finish(self, timeout_s: float = 60) -> list[int]:
        return [process.wait(timeout_s) for process in self.processes]

    def rows(self, kind: str | None = None) -> list[dict[str, Any]]:
        lines = [json.loads(line) for file in self.files for line in file.read_text().splitlines()]
        return [row for row in lines if kind is None or row["kind"] == kind]

    def until(self, condition: Callable[[], bool], timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "what the test waits for did not happen"
            time.sleep(0.02)


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., Loading]]:
    """Starts the workers of a plan; whatever still runs at the end of the test is killed."""
    started: list[Loading] = []

    def start(plan: Plan, url: str, *, events: Path | None = None) -> Loading:
        count = plan.scenario.load.processes
        file = tmp_path / "plan.json"
        file.write_text(plan.model_dump_json())
        loading = Loading([], [events or tmp_path / f"load-{index}.jsonl" for index in range(count)])
        started.append(loading)
        for index, path in enumerate(loading.files):
            argv = [sys.executable, "-m", "harness.live.load.worker", "--plan", str(file), "--events", str(path)]
            argv += ["--host", url, "--worker", f"{index}/{count}"]
            loading.processes.append(subprocess.Popen(argv, stderr=subprocess.PIPE, text=True))
        return loading

    yield start
    for loading in started:
        for process in loading.processes:
            process.kill()
            process.wait()
            if process.stderr is not None:
                if not process.stderr.closed:
                    print(process.stderr.read())  # Shown where the test fails.
                process.stderr.close()
