"""The Redis contract: attempts on the wire, their spacing, the announcement, the log, and the fallback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.gate import Ruling
from harness.judge.model import Finding
from harness.record.schema import Closed, Opened, Pulse, Redis, Statistics
from tests.judge.story import Story, broken, healthy, ns

PROMISED_S = (5.5, 6.0, 7.0)
ANNOUNCED = "warn: redis given up\n"


WORKING = Opened(at_ns=0, proxy="backend-redis", connection=0, client="c", upstream_port=1)
CUT = Closed(
    at_ns=0, proxy="backend-redis", connection=0, by="upstream", how="fin", bytes_up=0, bytes_down=0
)  # fmt: skip


def away(attempts_s: Sequence[float] = PROMISED_S, *, until_s: float = 9.0, log: str = ANNOUNCED) -> Story:
    """Redis is killed at the fifth second; these attempts are refused. The backend says that it fell back."""
    story = broken(healthy(), "redis.kill", 5, until_s)
    story.change(Redis, lambda row: Redis(at_ns=row.at_ns, up=False) if ns(5) <= row.at_ns < ns(until_s) else None)
    story.change(
        Pulse, lambda row: replace(row, said="redis=away") if row.said and ns(5) <= row.at_ns < ns(until_s) else None
    )
    opened = [
        Opened(at_ns=ns(at_s), proxy="backend-redis", connection=k, client="c", upstream_port=None, error="refused")
        for k, at_s in enumerate(attempts_s, 1)
    ]
    closed = [
        Closed(
            at_ns=row.at_ns + 1,
            proxy="backend-redis",
            connection=row.connection,
            by="upstream",
            how="fin",
            bytes_up=0,
            bytes_down=0,
        )
        for row in opened
    ]
    first = Opened(at_ns=ns(1), proxy="backend-redis", connection=0, client="c", upstream_port=1)
    story.add("proxy", first, *opened, *closed)
    story.logs["backend"] = log
    return claimed(story, "fallback" if len(attempts_s) >= 3 else "reconnecting")


def claimed(story: Story, state: str) -> Story:
    return story.change(Statistics, lambda row: replace(row, redis_state=state) if row.at_ns > ns(7) else None)


def fallback(story: Story) -> list[str]:
    return [fact.text for fact in story.finding("redis_fallback").evidence]


def test_a_kept_promise_passes() -> None:
    """As many attempts as promised, not too early, announced once, fallen back."""
    verdict = away().verdict()
    assert verdict.ruling is Ruling.PASS, verdict.why
    values = {name: verdict.finding(name) for name in ("redis_reconnects", "redis_backoff", "redis_announcements")}
    assert {name: found.value for name, found in values.items() if found} == {
        "redis_reconnects": 3,
        "redis_backoff": 0,
        "redis_announcements": 1,
    }


def test_one_attempt_too_many_is_seen_on_the_wire() -> None:
    """Whatever the log counts; also one that comes after Redis is back, when all had been used up."""
    assert away((*PROMISED_S, 8.0)).ruling("redis_reconnects") is Ruling.FAIL
    assert away((*PROMISED_S, 10.0)).finding("redis_reconnects").value == 4
    assert away(PROMISED_S[:2]).finding("redis_reconnects").value == 2


def test_attempts_without_a_wait_are_too_early() -> None:
    """Each gap against the promise for that attempt; one that comes late is none."""
    assert away((5.1, 5.1, 5.1)).finding("redis_backoff").value == 2
    assert away((5.5, 6.0, 6.2)).finding("redis_backoff").value == 1
    assert away((5.5, 7.9, 8.9)).finding("redis_backoff").value == 0


def test_attempts_before_the_faults_row_count_too() -> None:
    """The link breaks before anybody writes down that it does."""
    assert away((4.9, 4.91, 4.92)).finding("redis_reconnects").value == 3


def test_a_connection_that_the_fault_cut_is_no_attempt() -> None:
    """A proxy that counts no bytes does not tell that it had worked: its age does, or that it ended with older ones."""
    untold = replace(CUT, bytes_up=None, bytes_down=None)
    before, amid = (replace(WORKING, connection=k, at_ns=ns(at_s)) for k, at_s in ((8, 4.9), (9, 5.1)))
    story = away().add("proxy", before, amid, *(replace(untold, connection=k, at_ns=ns(5.2)) for k in (8, 9)))
    assert story.finding("redis_reconnects").value == 3


def test_an_attempt_that_hangs_counts_though_nobody_counts_its_bytes() -> None:
    """It is younger than the fault, and ends alone."""
    hung = replace(WORKING, connection=9, at_ns=ns(8))
    ended = replace(CUT, connection=9, at_ns=ns(8.5), bytes_up=None, bytes_down=None)
    assert away().add("proxy", hung, ended).finding("redis_reconnects").value == 4


def test_it_is_announced_once() -> None:
    """Not with every attempt, and not never."""
    assert away(log=ANNOUNCED * 3).ruling("redis_announcements") is Ruling.FAIL
    assert fallback(away(log="quiet\n")) == ["it gave Redis up and announced nothing"]


def test_a_line_for_every_operation_is_spam() -> None:
    """The same line but for its numbers, more often than there were attempts."""
    spam = "".join(f"error {k}: redis is not connected\n" for k in range(40))
    found = away(log=ANNOUNCED + spam).finding("log_spam")
    assert found.value == 40 - (4 + 3)
    assert away(log=ANNOUNCED + "GET /orders 200\n" * 100).finding("log_spam").value == 0


def test_giving_up_while_redis_answers_is_told() -> None:
    """One operation without an answer, and nothing ever clears it."""
    assert fallback(claimed(away((), log=""), "fallback")) == [
        "it gave Redis up although its attempts were not used up, and Redis answers"
    ]


def test_trying_on_after_the_last_attempt_is_told() -> None:
    """A permanent fallback that is none."""
    assert fallback(claimed(away(), "reconnecting")) == [
        "all attempts failed, but at rest it claims to be reconnecting"
    ]


def test_a_run_without_redis_trouble_has_no_such_findings() -> None:
    """Nothing to judge, and no default gate on it."""
    story = healthy()
    assert story.finding("redis_reconnects").not_applicable == "Redis was never away"
    assert story.ruling("redis_fallback") is None


def test_without_the_wire_nothing_is_known() -> None:
    """A log that says five is no evidence."""
    story = away().drop(Opened, Closed)
    found: Finding = story.finding("redis_reconnects")
    assert found.missing
    assert story.ruling("redis_reconnects") is Ruling.UNKNOWN
