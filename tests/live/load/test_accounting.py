"""Exactly N: every registration has one outcome or was not started, whatever happens to the workers."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.live.load.conftest import Backend, Loading, make_plan

Load = Callable[..., Loading]


def adds_up(trailer: dict[str, Any]) -> bool:
    return trailer["planned"] == trailer["ok"] + trailer["failed"] + trailer["unknown"] + trailer["not_started"]


@pytest.mark.parametrize(
    "how",
    [
        {"model": "sequential"},
        {"model": "closed", "users": 7},
        {"model": "closed", "users": 7, "processes": 3},
        {"model": "open", "rate_per_s": 100},
        {"model": "open", "stages": [{"rate_per_s": 50, "for_s": 0.5}, {"rate_per_s": 200, "for_s": 3, "ramp": True}]},
        {"model": "open", "rate_per_s": 100, "processes": 2},
    ],
    ids=lambda how: "-".join(str(value) for value in how.values() if not isinstance(value, list)),
)
def test_every_model_registers_exactly_n(backend: Backend, load: Load, how: dict[str, Any]) -> None:
    """N registrations are N: at the server, in the rows, in the trailers, each tenant once, whatever the model."""
    loading = load(make_plan({"registrations": 40, **how}), backend.url)
    assert set(loading.finish()) == {0}
    rows = loading.rows("request")
    assert sorted(row["n"] for row in rows) == list(range(1, 41))
    assert backend.count("/register") == 40
    trailers = loading.rows("trailer")
    assert sum(trailer["planned"] for trailer in trailers) == sum(trailer["ok"] for trailer in trailers) == 40
    assert all(adds_up(trailer) and trailer["reason"] == "completed" for trailer in trailers)


def test_one_after_another_is_never_two_at_once(backend: Backend, load: Load) -> None:
    """The sequential model has one registration in flight at any moment."""
    loading = load(make_plan({"registrations": 15, "model": "sequential"}), backend.url)
    loading.finish()
    spans = sorted((row["start_ns"], row["end_ns"]) for row in loading.rows("request"))
    assert len(spans) == 15
    assert all(ended <= begun for (_, ended), (begun, _) in itertools.pairwise(spans))


def test_a_duration_ends_a_closed_load(backend: Backend, load: Load) -> None:
    """Without a number, users go on until the time is over; what they began is all that was planned."""
    backend.behave = lambda method, path: time.sleep(0.05)
    loading = load(make_plan({"duration_s": 1.5, "users": 3}), backend.url)
    assert loading.finish() == [0]
    (trailer,) = loading.rows("trailer")
    assert trailer["not_started"] == 0
    assert trailer["ok"] == trailer["planned"] == len(loading.rows("intent")) >= 3
    first = min(row["start_ns"] for row in loading.rows("request"))
    assert all(row["start_ns"] - first < 1.6e9 for row in loading.rows("request"))


def test_a_schedule_that_ends_says_how_many_it_planned(backend: Backend, load: Load) -> None:
    """An open load with a duration plans as many registrations as its schedule holds."""
    loading = load(make_plan({"model": "open", "rate_per_s": 40, "duration_s": 1.0, "processes": 2}), backend.url)
    loading.finish()
    assert sum(trailer["planned"] for trailer in loading.rows("trailer")) == len(loading.rows("intent")) == 40


def test_what_the_deadline_leaves_is_not_started(backend: Backend, load: Load) -> None:
    """After its deadline the load begins nothing more, ends what is in flight, and counts the rest."""
    backend.behave = lambda method, path: time.sleep(0.3)
    loading = load(make_plan({"registrations": 500, "users": 4, "deadline_s": 1.2}), backend.url)
    assert loading.finish() == [0]
    (trailer,) = loading.rows("trailer")
    assert trailer["reason"] == "deadline"
    assert adds_up(trailer)
    assert 0 < trailer["not_started"] < 500
    assert len(loading.rows("intent")) == len(loading.rows("request")) == 500 - trailer["not_started"]


def test_a_stopped_worker_still_says_its_last_word(backend: Backend, load: Load) -> None:
    """SIGINT ends the load in order: requests in flight get their answers, then the trailer is written."""
    backend.behave = lambda method, path: time.sleep(0.3)
    loading = load(make_plan({"registrations": 500, "users": 4}), backend.url)
    loading.until(lambda: len(backend.log) >= 4)
    loading.processes[0].send_signal(signal.SIGINT)
    assert loading.finish() == [0]
    (trailer,) = loading.rows("trailer")
    assert trailer["reason"] == "stopped"
    assert adds_up(trailer)
    assert trailer["unknown"] == 0


def test_a_killed_worker_leaves_its_intents_and_no_trailer(backend: Backend, load: Load) -> None:
    """SIGKILL: what was sent is on the disk as an intent, and the missing trailer says that the worker was lost."""
    held = threading.Event()
    backend.behave = lambda method, path: held.wait(20) and None
    loading = load(make_plan({"registrations": 30, "users": 6}), backend.url)
    loading.until(lambda: len(loading.files[0].read_bytes().splitlines()) >= 6 if loading.files[0].exists() else False)
    loading.processes[0].kill()
    held.set()
    assert loading.finish() == [-signal.SIGKILL]
    assert len(loading.rows("intent")) == 6
    assert loading.rows("trailer") == []


def test_a_full_disk_ends_the_worker_with_its_reason(backend: Backend, load: Load) -> None:
    """No row, no load: when the record can't be written the worker ends at once and says why, without a trailer."""
    loading = load(make_plan({"registrations": 30}), backend.url, events=Path("/dev/full"))
    assert loading.finish() == [74]
    stderr = loading.processes[0].stderr
    assert stderr is not None
    assert "the record can't be written: No space left on device" in stderr.read()
    assert backend.count("/register") == 0


def test_a_refused_connection_is_failed_and_a_cut_one_unknown(backend: Backend, load: Load) -> None:
    """Nothing was sent to a closed port, so nothing can have happened there; that is a failure, never an unknown."""
    loading = load(make_plan({"registrations": 5}), "127.0.0.1:1")
    assert loading.finish() == [0]
    (trailer,) = loading.rows("trailer")
    assert (trailer["failed"], trailer["unknown"]) == (5, 0)
    assert {row["error"] for row in loading.rows("request")} == {"connect_refused"}


def test_a_frozen_generator_shows_in_response_times_and_in_its_lag(backend: Backend, load: Load) -> None:
    """A generator stopped for 3 s sends late, counts that as waiting, and has a lag row for every beat it missed."""
    loading = load(make_plan({"registrations": 250, "model": "open", "rate_per_s": 50}), backend.url)
    loading.until(lambda: len(backend.log) >= 25)
    os.kill(loading.processes[0].pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(loading.processes[0].pid, signal.SIGCONT)
    assert loading.finish() == [0]
    rows = loading.rows("request")
    assert len(rows) == 250
    assert max(row["end_ns"] - row["intended_ns"] for row in rows) > 2.7e9
    assert sum(row["start_ns"] - row["intended_ns"] > 0.25e9 for row in rows) > 100
    lags = [row["lag_max_ns"] for row in loading.rows("lag")]
    assert sum(lag > 0.25e9 for lag in lags) >= 10
    assert max(lags) > 2.7e9


def test_a_stalled_server_is_told_as_those_who_wait_would_tell_it(backend: Backend, load: Load) -> None:
    """Under 50/s a server that stands still for 3 s: our p95 is that of its own log, counted from the schedule."""
    begun = time.monotonic()
    stall = threading.Lock()

    def behave(method: str, path: str) -> None:
        with stall:
            if len(backend.log) >= 100 and not stalled:
                stalled.append(time.monotonic() - begun)
                time.sleep(3)

    stalled: list[float] = []
    backend.behave = behave
    plan = make_plan({"registrations": 500, "model": "open", "rate_per_s": 50})
    loading = load(plan, backend.url)
    assert loading.finish() == [0]
    rows = sorted(loading.rows("request"), key=lambda row: row["intended_ns"])
    told = sorted(row["end_ns"] - row["intended_ns"] for row in rows)
    # The server's log knows when it answered; the schedule knows when each was due. Both are absolute.
    zero = rows[0]["intended_ns"] + plan.origin_ns
    answered = dict(zip(range(500), sorted(at for _, at, _ in backend.log), strict=True))
    true = sorted(answered[i] - (zero + i * 20_000_000) for i in range(500))
    assert stalled
    assert told[474] == pytest.approx(true[474], rel=0.02)
    assert told[474] > 1.5e9


def test_operations_beside_end_with_their_count(backend: Backend, load: Load) -> None:
    """Operations fall on registered tenants only, exactly as many as asked for, and belong to no registration."""
    operations = {"steps": {"read": 3, "write": 1}, "count": 120, "users": 4}
    loading = load(make_plan({"registrations": 10, "users": 2, "processes": 2, "operations": operations}), backend.url)
    assert set(loading.finish()) == {0}
    rows = [row for row in loading.rows("request") if row["step"] != "register"]
    assert len(rows) == 120 == backend.count("/read") + backend.count("/write")
    assert {row["n"] for row in rows} == {None}
    known = {row["tenant"]: row["end_ns"] for row in loading.rows("request") if row["step"] == "register"}
    assert all(row["start_ns"] >= known[row["tenant"]] for row in rows)
    kinds = Counter(row["step"] for row in rows)
    assert kinds["read"] > kinds["write"] > 0
    trailers = loading.rows("trailer")
    assert [trailer["operations_planned"] for trailer in trailers] == [trailer["operations"] for trailer in trailers]


def test_operations_after_wait_for_the_last_registration(backend: Backend, load: Load) -> None:
    """`when = "after"`: no operation starts while a registration is in flight."""
    operations = {"steps": {"read": 1}, "count": 30, "rate_per_s": 200, "when": "after"}
    loading = load(make_plan({"registrations": 10, "users": 3, "operations": operations}), backend.url)
    assert loading.finish() == [0]
    rows = loading.rows("request")
    last = max(row["end_ns"] for row in rows if row["step"] == "register")
    reads = [row for row in rows if row["step"] == "read"]
    assert len(reads) == 30
    assert all(row["start_ns"] >= last for row in reads)


def test_operations_that_wait_cost_nothing(backend: Backend, load: Load) -> None:
    """Until the last registration is over, users of the mix sleep, though there are tenants already.

    A user who asks again and again would take a whole processor from the system under test: 1 s of each second.
    """
    release = threading.Event()
    backend.behave = lambda method, path: release.wait(20) and None if backend.log else None
    operations = {"steps": {"read": 1}, "count": 8, "users": 8, "when": "after"}
    loading = load(make_plan({"registrations": 2, "users": 1, "operations": operations}), backend.url)
    loading.until(lambda: len(backend.log) == 1)
    worker = psutil.Process(loading.processes[0].pid)
    before = worker.cpu_times()
    time.sleep(1.5)
    after = worker.cpu_times()
    release.set()
    assert loading.finish() == [0]
    assert (after.user + after.system) - (before.user + before.system) < 0.5
    assert backend.count("/read") == 8


def test_operations_without_tenants_end(backend: Backend, load: Load) -> None:
    """Where no registration succeeds there is nobody to perform operations on; the load ends and says so."""
    backend.behave = lambda method, path: (500, {})
    operations = {"steps": {"read": 1}, "count": 30}
    loading = load(make_plan({"registrations": 4, "operations": operations}), backend.url)
    assert loading.finish() == [0]
    (trailer,) = loading.rows("trailer")
    assert (trailer["failed"], trailer["operations_planned"], trailer["operations"]) == (4, 30, 0)


def test_a_registration_for_later_lasts_until_it_is_acknowledged(backend: Backend, load: Load) -> None:
    """202, then polled: one registration, acknowledged by the third poll; every poll is a row of its own."""
    loading = load(make_plan({"registrations": 4, "flow": ["register_later", "login"]}), backend.url)
    assert loading.finish() == [0]
    kinds = Counter(row["step"] for row in loading.rows("request"))
    assert kinds == {"register": 4, "job": 12, "login": 4}
    for row in loading.rows("request"):
        if row["step"] == "register":
            polls = [poll for poll in loading.rows("request") if poll["n"] == row["n"] and poll["step"] == "job"]
            assert row["outcome"] == "ok"
            assert row["end_ns"] >= max(poll["end_ns"] for poll in polls)


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        ((200, {"state": "failed"}), "failed", "job: "),
        ((404, {}), "failed", "{}"),
        ((503, {}), "unknown", "poll_timeout"),
    ],
)
def test_what_a_poll_says_is_the_outcome(
    backend: Backend, load: Load, answer: tuple[int, Any], outcome: str, error: str
) -> None:
    """A refused job is failed; one that nobody can tell of before the time is up is unknown."""
    backend.behave = lambda method, path: answer if path.startswith("/job") else None
    plan = make_plan({"registrations": 1, "flow": ["register_later"], "request_timeout_s": 1})
    loading = load(plan, backend.url)
    assert loading.finish() == [0]
    (row,) = [row for row in loading.rows("request") if row["step"] == "register"]
    assert row["outcome"] == outcome
    assert row["error"].startswith(error)


def test_the_same_seed_draws_the_same_operations(backend: Backend, load: Load) -> None:
    """Tenants and steps of the mix are drawn from the seed, so that a run can be repeated."""
    operations = {"steps": {"read": 1, "write": 1}, "count": 50, "users": 1, "when": "after"}
    drawn = []
    for _ in range(2):
        loading = load(make_plan({"registrations": 6, "model": "sequential", "operations": operations}), backend.url)
        loading.finish()
        drawn.append([(row["tenant"], row["step"]) for row in loading.rows("request") if row["n"] is None])
        for file in loading.files:
            file.unlink()
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 50
