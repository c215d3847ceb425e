"""Registrations: counted by what is known of them, and all accounted for."""

from __future__ import annotations

from dataclasses import replace

from harness.gate import Ruling
from harness.record.schema import Request, Trailer
from tests.judge.story import broken, healthy, request


def test_every_outcome_is_counted_apart() -> None:
    """Acknowledged, refused and unanswered registrations are different things."""
    outcomes = {1: "failed", 2: "unknown", 3: "unknown"}
    story = healthy().change(
        Request,
        lambda row: (
            replace(row, outcome=outcomes[row.n], status=None, error="timeout")
            if row.step == "register" and row.n in outcomes
            else None
        ),
    )
    verdict = story.verdict()
    counts = {name: verdict.finding(f"registrations_{name}") for name in ("ok", "failed", "unknown", "unaccounted")}
    assert {name: found.value for name, found in counts.items() if found} == {
        "ok": 9,
        "failed": 1,
        "unknown": 2,
        "unaccounted": 0,
    }
    assert counts["unknown"] and counts["unknown"].evidence[0].text == "2 x no answer: timeout"


def test_an_intent_without_an_answer_is_unknown() -> None:
    """The worker wrote it before it sent: it may have happened."""
    story = healthy().drop(Request, where=lambda row: row.n == 5)
    assert story.finding("registrations_unknown").value == 1
    assert story.finding("registrations_ok").value == 11


def test_acknowledged_once_is_acknowledged() -> None:
    """An answer that was lost and a repetition that succeeded are one registration."""
    story = healthy().add("load-0", request(5, "register", 3, outcome="unknown", status=None))
    assert story.finding("registrations_ok").value == 12
    assert story.finding("registrations_unknown").value == 0


def test_a_registration_that_nobody_knows_of_is_unaccounted() -> None:
    """Planned, but neither begun nor said to be not started."""
    story = healthy()
    story.scenario["load"]["registrations"] = 14
    assert story.finding("registrations_unaccounted").value == 2
    story.change(Trailer, lambda row: replace(row, not_started=2))
    assert story.finding("registrations_unaccounted").value == 0
    assert story.finding("registrations_not_started").value == 2


def test_a_lost_worker_leaves_the_counts_open() -> None:
    """What it did last is not known: a count of failures is one from below."""
    story = healthy().drop(Trailer)
    story.scenario["gates"] = {"registrations_ok": ">= 12", "registrations_failed": 0}
    assert story.ruling("registrations_ok") is Ruling.UNKNOWN
    assert story.ruling("registrations_failed") is Ruling.UNKNOWN


def test_failures_are_told_by_phase() -> None:
    """Before, during and after the faults, by the time that a request was under way."""
    story = broken(healthy(), "redis.kill", 5, 8)
    story.change(
        Request,
        lambda row: replace(row, outcome="failed", status=503) if row.step == "register" and row.n == 5 else None,
    )
    during, after = (story.finding("registrations_failed", phase) for phase in ("during", "after"))
    assert (during.value, after.value) == (1, 0)
