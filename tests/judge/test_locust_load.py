"""A run of somebody's own Locust file is judged by what it can show."""

from __future__ import annotations

from dataclasses import replace

from harness.gate import Ruling
from harness.record.schema import Request
from tests.judge.story import healthy


def test_a_locust_files_run_is_not_asked_for_registrations() -> None:
    """Its requests are nobody's registrations: findings about those don't apply, and the others decide."""
    story = healthy(0, load={"locustfile": "mine.py", "duration_s": 10, "registrations": None, "model": "closed"})
    request = Request(
        worker="load-0",
        n=None,
        tenant="",
        step="GET health",
        intended_ns=0,
        start_ns=0,
        first_byte_ns=None,
        end_ns=0,
        status=200,
        outcome="ok",
    )
    for second in range(3, 12):
        at_ns = second * 1_000_000_000
        story.add("load-0", replace(request, intended_ns=at_ns, start_ns=at_ns, end_ns=at_ns + 1_000_000))
    verdict = story.verdict()
    assert "no registration was acknowledged" not in " ".join(verdict.why)
    assert verdict.ruling == Ruling.PASS, verdict.why
