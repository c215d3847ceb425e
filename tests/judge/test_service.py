"""The service under faults: kept, told truly, not standing still, back soon and for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.gate import Ruling
from harness.record.schema import Gap, Health, Login, Note, OwnData, Process, Pulse, Redis, Request, Server
from tests.judge.story import Story, broken, healthy, label, ns, request


def redis_away(story: Story, begin_s: float, end_s: float) -> Story:
    broken(story, "redis.kill", begin_s, end_s)
    return story.change(
        Redis, lambda row: Redis(at_ns=row.at_ns, up=False) if ns(begin_s) <= row.at_ns < ns(end_s) else None
    )


def test_a_crash_is_told_with_its_moment() -> None:
    """The backend ended while no fault was on it; nobody watching is no evidence."""
    story = healthy().add("conductor", Note(at_ns=ns(5), subject="crash", text="after 5 registrations"))
    assert story.finding("crashes").evidence[0].at_ns == ns(5)
    assert story.ruling("crashes") is Ruling.FAIL
    assert healthy().drop(Process).ruling("crashes") is Ruling.UNKNOWN


def test_a_health_check_may_fail_while_postgres_is_broken_only() -> None:
    """A fault that the service can't do without is no fault of the check."""
    story = healthy().change(
        Health, lambda row: replace(row, ok=False, status=503) if row.registrations_done == 4 else None
    )
    story.scenario["gates"] = {"health_failed": 0}
    assert story.ruling("health_failed") is Ruling.FAIL
    assert broken(story, "postgres.slow", 4, 7).ruling("health_failed") is Ruling.PASS
    assert healthy().drop(Health).finding("health_failed").missing


def said(story: Story, words: str, begin_s: float, end_s: float) -> Story:
    return story.change(
        Pulse, lambda row: replace(row, said=words) if row.said and ns(begin_s) <= row.at_ns < ns(end_s) else None
    )


def test_health_that_hides_a_missing_dependency_is_wrong() -> None:
    """It says what it said while everything was there, long after our own probe saw Redis away."""
    story = redis_away(healthy(), 4, 9)
    assert story.ruling("health_wrong") is Ruling.FAIL
    assert said(story, "redis=down", 4, 9).ruling("health_wrong") is Ruling.PASS


def test_health_has_time_to_notice() -> None:
    """A short absence is nothing to be told; and a permanent fallback may be told for ever."""
    assert redis_away(healthy(), 4, 6).finding("health_wrong").not_applicable
    assert said(redis_away(healthy(), 4, 9), "redis=fallback", 4, 99).ruling("health_wrong") is Ruling.PASS


def test_health_that_hides_a_missing_postgres_is_wrong() -> None:
    """Seen away by the observer that could not look."""
    story = broken(healthy(), "postgres.kill", 4, 9)
    story.drop(Server, where=lambda row: ns(4) <= row.at_ns < ns(9))
    story.add("observe", *(Gap(at_ns=ns(4 + k / 4), source="postgres", error="refused") for k in range(20)))
    assert story.ruling("health_wrong") is Ruling.FAIL


def stalled(story: Story, stalls: Sequence[tuple[float, float]]) -> Story:
    """In these stretches nothing is answered; a light request waits through each."""
    for begin_s, end_s in stalls:
        story.drop(Pulse, where=lambda row, b=begin_s, e=end_s: row.what == "live" and ns(b) <= row.at_ns < ns(e))
        story.change(
            Pulse,
            lambda row, b=begin_s, e=end_s: replace(row, at_ns=ns(e)) if ns(b) <= row.at_ns < ns(e) else None,
        )
        pulse = Pulse(at_ns=ns(begin_s), what="live", status=200, duration_ms=(end_s - begin_s) * 1000)
        story.add("observe", pulse)
    return story


def busy() -> Story:
    """Registrations that take three quarters of a second each, one after the other."""
    return healthy().change(
        Request,
        lambda row: (
            replace(row, end_ns=row.start_ns + ns(0.75), first_byte_ns=row.start_ns + ns(0.75))
            if row.step == "register"
            else replace(row, start_ns=row.start_ns + ns(0.55), end_ns=row.end_ns + ns(0.55), first_byte_ns=None)
        ),
    )


def test_a_backend_that_stands_still_while_it_registers_is_blocked() -> None:
    """Nothing at all is answered for half a second, at every registration."""
    stalls = [(2.05 + k * 10 / 12, 2.55 + k * 10 / 12) for k in range(12)]
    assert (stalled(busy(), stalls).finding("event_loop_blocked").value or 0) >= 10


def test_a_few_stalls_of_a_busy_machine_are_no_blocked_loop() -> None:
    """Two of them, short against the time in which registrations were in flight."""
    assert stalled(busy(), [(3.0, 3.2), (7.0, 7.2)]).finding("event_loop_blocked").value == 0


def at_rest(story: Story, took_ms: float) -> Story:
    """What each light request before and after the load takes."""
    return story.change(
        Pulse, lambda row: replace(row, duration_ms=took_ms) if not ns(2) <= row.at_ns < ns(12) else None
    )


def test_a_blocked_loop_is_seen_on_a_busy_machine_too() -> None:
    """As measured beside two other runs and a build: 60 ms at rest, stalls of 250 ms in a third of the time."""
    stalls = [(2.05 + k * 10 / 12, 2.30 + k * 10 / 12) for k in range(12)]
    assert (stalled(at_rest(busy(), 60), stalls).finding("event_loop_blocked").value or 0) >= 10


def test_silence_that_is_usual_for_a_backend_is_no_blocked_loop() -> None:
    """A backend whose light requests take 100 ms at rest may be silent for 250 ms."""
    stalls = [(2.05 + k * 10 / 12, 2.30 + k * 10 / 12) for k in range(12)]
    assert stalled(at_rest(busy(), 100), stalls).finding("event_loop_blocked").value == 0


def test_slow_answers_that_keep_coming_are_no_blocked_loop() -> None:
    """Every light request takes half a second, but others are answered meanwhile."""
    story = busy().change(Pulse, lambda row: replace(row, duration_ms=500) if ns(2) < row.at_ns < ns(12) else None)
    assert story.finding("event_loop_blocked").value == 0


def test_the_service_is_kept_while_redis_is_away() -> None:
    """Failed ones and ones that were held up count, those outside of the fault don't."""
    story = redis_away(healthy(), 4, 9)
    assert story.ruling("service_during_fault") is Ruling.PASS
    failed = request(3, "write", 5, outcome="failed", status=503)
    held_up = request(4, "read", 4.5, 6.0)
    before = request(1, "write", 3, outcome="failed", status=503)
    found = story.add("load-0", failed, held_up, before).finding("service_during_fault")
    assert found.value == 2
    assert {fact.tenant for fact in found.evidence} == {label(3), label(4)}


def test_a_kept_connection_that_is_just_closing_is_nobodys_failure() -> None:
    """Ended at once and without an answer; on a new connection, or after a while, it counts."""
    met = {"outcome": "unknown", "status": None, "first_byte_ns": None, "reused": True}
    closing = redis_away(healthy(), 4, 9).add("load-0", request(3, "read", 5, 0.01, **met))
    assert closing.finding("service_during_fault").value == 0
    for changed, took_s in (({**met, "reused": False}, 0.01), (met, 2.0)):
        story = redis_away(healthy(), 4, 9).add("load-0", request(3, "read", 5, took_s, **changed))
        assert story.finding("service_during_fault").value == 1


def test_what_fails_while_postgres_is_broken_too_is_excused() -> None:
    """The service can't be kept without Postgres."""
    story = redis_away(healthy(), 4, 9)
    story.add("load-0", request(3, "write", 5, outcome="failed", status=503))
    broken(story, "postgres.kill", 4, 9)
    story.scenario["faults"].append({"fault": "redis.kill", "at_s": 0})
    assert story.finding("service_during_fault").value is None


def test_the_slowest_step_says_when_the_service_was_back() -> None:
    """From the healing to the first success of each step that had worked before."""
    story = broken(healthy(), "postgres.kill", 4, 6)
    found = story.finding("time_to_recover")
    assert found.value == pytest.approx(0.57, abs=0.05)
    story.change(
        Request,
        lambda row: (
            replace(row, outcome="failed", status=503)
            if row.step == "write" and ns(6) < row.start_ns < ns(10)
            else None
        ),
    )
    assert (story.finding("time_to_recover").value or 0) > 4


def test_a_service_that_never_came_back_is_bounded_from_below() -> None:
    """Not known how long it takes, only that it takes longer."""
    story = broken(healthy(), "postgres.kill", 4, 6)
    story.change(Request, lambda row: replace(row, outcome="failed", status=503) if row.start_ns > ns(6) else None)
    story.change(Login, lambda row: replace(row, outcome="failed", status=503)).drop(OwnData)
    story.scenario["gates"] = {"time_to_recover": "< 5"}
    assert story.finding("time_to_recover").at_least
    assert story.ruling("time_to_recover") is Ruling.FAIL
    story.scenario["gates"] = {"time_to_recover": "< 50"}
    assert story.ruling("time_to_recover") is Ruling.UNKNOWN


def test_a_tenant_that_stays_away_while_others_are_served_has_a_stale_pool() -> None:
    """By its login at the end, or by its requests under load."""
    story = broken(healthy(), "postgres.restart", 4, 6)
    assert story.ruling("stale_pool") is Ruling.PASS
    story.change(Login, lambda row: replace(row, outcome="failed", status=503) if row.n == 1 else None)
    assert story.finding("stale_pool").evidence[0].tenant == label(1)
    under_load = broken(healthy(), "postgres.restart", 4, 5)
    under_load.add("load-0", *(request(1, "read", 10.5 + k / 10, outcome="failed", status=503) for k in range(5)))
    assert under_load.finding("stale_pool").value == 1


def test_slots_that_ran_out_are_seen_in_postgres_log() -> None:
    """Refused for want of a slot; not where a fault takes them on purpose."""
    story = healthy()
    story.logs["postgres"] = "FATAL:  sorry, too many clients already\n" * 3
    assert story.finding("slots_exhausted").value == 3
    assert broken(story, "postgres.connections_exhausted", 4, 6).finding("slots_exhausted").not_applicable
    del story.logs["postgres"]
    story.scenario["faults"] = []
    assert story.ruling("slots_exhausted") is Ruling.UNKNOWN
