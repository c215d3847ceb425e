"""Existing Locust files run under the harness, and their requests are recorded like ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.live.prepare import RunRequest, prepare
from harness.tomlfile import BadFile
from tests.live.load.conftest import Backend, Loading, make_plan

Load = Callable[..., Loading]

TWO_CLASSES = """
from locust import FastHttpUser, HttpUser, constant, events, task

@events.test_start.add_listener
def begun(environment, **_):
    print("begun on", environment.host)

class Reader(HttpUser):
    wait_time = constant(0.05)
    weight = 3
    @task
    def read(self):
        self.client.get("/read/1", name="read")

class Writer(FastHttpUser):
    wait_time = constant(0.05)
    @task
    def write(self):
        self.client.post("/write/1", json={"a": 1}, name="write")
"""

SHAPED = """
from locust import FastHttpUser, LoadTestShape, constant, task

class Reader(FastHttpUser):
    wait_time = constant(0.02)
    @task
    def read(self):
        self.client.get("/read/1")

class Steps(LoadTestShape):
    def tick(self):
        return (2, 2) if self.get_run_time() < 1.5 else None
"""


def plan_of(tmp_path: Path, text: str, **load: Any) -> Any:
    (tmp_path / "locustfile.py").write_text(text)
    plan = make_plan({"locustfile": "locustfile.py", **load})
    return plan.model_copy(update={"scenario_file": str(tmp_path / "a.toml")})


def test_its_requests_are_rows(tmp_path: Path, backend: Backend, load: Load) -> None:
    """Every request of the file's own user classes is a row, as many as the server saw, in two processes."""
    loading = load(plan_of(tmp_path, TWO_CLASSES, users=4, duration_s=2, processes=2), backend.url)
    assert loading.finish() == [0, 0]
    steps = Counter(row["step"] for row in loading.rows("request"))
    assert steps == {"GET read": backend.count("/read"), "POST write": backend.count("/write")}
    assert steps["GET read"] > steps["POST write"] > 0
    assert {row["outcome"] for row in loading.rows("request")} == {"ok"}
    assert {row["status"] for row in loading.rows("request")} == {200}
    trailers = loading.rows("trailer")
    assert sum(trailer["operations"] for trailer in trailers) == sum(steps.values())
    assert {trailer["reason"] for trailer in trailers} == {"completed"}


def test_its_failures_are_told_apart(tmp_path: Path, backend: Backend, load: Load) -> None:
    """An answer that the user class calls a failure is failed; a port where nobody listens is failed too."""
    backend.behave = lambda method, path: (503, {}) if method == "POST" else None
    plan = plan_of(tmp_path, TWO_CLASSES, users=4, duration_s=1)
    loading = load(plan, backend.url)
    loading.finish()
    outcomes = {(row["step"], row["outcome"], row["status"]) for row in loading.rows("request")}
    assert outcomes == {("GET read", "ok", 200), ("POST write", "failed", 503)}
    loading.files[0].unlink()
    refused = load(plan, "127.0.0.1:1")
    refused.finish()
    assert {(row["outcome"], row["status"]) for row in refused.rows("request")} == {("failed", None)}


def test_its_shape_decides_how_long(tmp_path: Path, backend: Backend, load: Load) -> None:
    """A LoadTestShape of the file is followed, and ends the load."""
    loading = load(plan_of(tmp_path, SHAPED, deadline_s=60), backend.url)
    assert loading.finish(30) == [0]
    rows = loading.rows("request")
    assert len(rows) == backend.count("/read") > 10
    assert max(row["end_ns"] for row in rows) - min(row["start_ns"] for row in rows) < 10e9


def test_a_file_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """The scenario's line is named, with where a path begins."""
    path = tmp_path / "a.toml"
    path.write_text('name = "a"\nproves = "b"\n[load]\nlocustfile = "no.py"\n')
    with pytest.raises(BadFile, match=r"line 4, load.locustfile = 'no.py': is no file"):
        prepare(RunRequest(scenario=str(path)))
