"""The verdict: how findings become rulings, and what a run that is not whole is worth."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from harness.gate import Gate, Ruling
from harness.judge.document import from_json, to_json, verdict_schema
from harness.judge.model import Finding
from harness.judge.verdict import judge, rule
from harness.record.reader import Record
from harness.record.schema import Fault, FinalRead, Health, Intent, Lag, Opened, Request, Trailer, WireEnd
from tests.judge.story import Story, broken, healthy, ns


def finding(value: float | None = 0, **changes: object) -> Finding:
    return replace(Finding(name="x", title="X", value=value), **changes)  # type: ignore[arg-type]


AT_MOST_0 = Gate.of("x", 0)


def ruling(gate: Gate, found: Finding | None) -> Ruling | None:
    ruled = rule(gate, [found] if found else [])
    return ruled.ruling if ruled else None


def test_a_healthy_run_passes() -> None:
    """Nothing is accused, and every gate that has a meaning is ruled."""
    verdict = healthy().verdict()
    assert verdict.ruling is Ruling.PASS
    assert verdict.why == [f"all {len(verdict.gates)} gates hold"]
    assert len(verdict.gates) > 15


def test_missing_evidence_is_never_a_pass() -> None:
    """A value without evidence, or nobody who looked, is unknown."""
    assert ruling(AT_MOST_0, None) is Ruling.UNKNOWN
    assert ruling(AT_MOST_0, finding(None, missing=["no sample"])) is Ruling.UNKNOWN
    assert ruling(AT_MOST_0, finding(0, missing=["a worker was lost"], at_least=True)) is Ruling.UNKNOWN


def test_what_is_proven_from_below_can_fail_but_not_hold() -> None:
    """Three leaks are too many whatever else was not seen; twenty successes may be all that was seen."""
    seen = finding(3, missing=["a worker was lost"], at_least=True)
    assert ruling(AT_MOST_0, seen) is Ruling.FAIL
    assert ruling(Gate.of("x", ">= 3"), seen) is Ruling.UNKNOWN
    assert ruling(AT_MOST_0, replace(seen, at_least=False)) is Ruling.UNKNOWN


def test_a_default_gate_without_meaning_is_left_out_and_a_written_one_is_unknown() -> None:
    """Without a fault on Redis nobody asks for its reconnecting, unless the scenario does."""
    idle = finding(None, not_applicable="Redis was never away")
    assert ruling(Gate.of("x", 0, by_default=True), idle) is None
    assert ruling(AT_MOST_0, idle) is Ruling.UNKNOWN


def test_a_gate_looks_at_its_phase_only() -> None:
    """A bound for after the faults does not hold by what was before."""
    after = Gate(finding="x", comparison="<=", bound=0, phase="after")
    assert ruling(after, finding(0)) is Ruling.UNKNOWN
    assert ruling(after, finding(0, phase="after")) is Ruling.PASS


def crashing(_record: Record) -> list[Finding]:
    raise KeyError("oh")


def one(_record: Record) -> list[Finding]:
    return [finding(1)]


def test_a_finder_that_breaks_makes_it_unknown_and_is_told() -> None:
    """The other findings stand; a failed gate still fails."""
    with healthy().record() as record:
        verdict = judge(record, gates=[Gate.of("x", 1)], finders=[crashing, one])
        assert verdict.ruling is Ruling.UNKNOWN
        assert verdict.why[0] == "the finder crashing broke: KeyError: 'oh'"
        assert judge(record, gates=[AT_MOST_0], finders=[crashing, one]).ruling is Ruling.FAIL


def test_old_runs_can_be_judged_by_new_gates() -> None:
    """The gates that are given take the place of the scenario's."""
    with healthy().record() as record:
        assert judge(record, gates=[Gate.of("registrations_ok", ">= 13")]).ruling is Ruling.FAIL
        assert judge(record, gates=[Gate.of("registrations_ok", ">= 12")]).ruling is Ruling.PASS


def late(story: Story) -> None:
    story.change(Lag, lambda row: replace(row, lag_max_ns=ns(2)))


def no_end(story: Story) -> None:
    story.end = None


def interrupted(story: Story) -> None:
    assert story.end
    story.end = replace(story.end, reason="interrupted", detail="interrupted in phase load")


def nothing_acknowledged(story: Story) -> None:
    story.change(Request, lambda row: replace(row, outcome="failed", status=500))


def unseen(story: Story) -> None:
    broken(story, "redis.kill", 5, 8).drop(Fault, where=lambda row: row.state == "seen")


def never_begun(story: Story) -> None:
    broken(story, "redis.kill", 5, 8).drop(Fault, where=lambda row: row.state != "planned")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (no_end, "killed"),
        (interrupted, "interrupted in phase load"),
        (late, "late: 2000 ms"),
        (nothing_acknowledged, "no registration was acknowledged"),
        (unseen, "redis.kill#1 was injected but not seen to take effect"),
        (never_begun, "redis.kill#1 never began"),
        (lambda story: story.drop(Trailer), "1 of 1 load workers left no trailer"),
        (lambda story: story.drop(Request, Intent), "no request was sent"),
        (lambda story: story.drop(FinalRead), "no final read"),
    ],
)
def test_a_run_that_is_not_whole_is_unknown_and_says_why(spoil: object, says: str) -> None:
    """Whatever its gates say: killed, interrupted, late, empty, without trailer, final read or the planned fault."""
    story = healthy()
    spoil(story)  # type: ignore[operator]
    verdict = story.verdict()
    assert verdict.ruling is not Ruling.PASS
    assert any(says in doubt for doubt in verdict.doubts), verdict.doubts


def test_a_torn_line_is_told(tmp_path: object) -> None:
    """A killed writer's last line is lost evidence."""
    story = healthy()
    with story.record() as record:
        with record.folder.events_file("observe").open("a") as file:
            file.write('{"kind":"server","at_')
        assert any("observe.jsonl" in doubt for doubt in judge(record).doubts)


def test_the_document_reads_back_and_keeps_its_schema() -> None:
    """`verdict.json` holds everything that a report needs, and other programs can rely on its form."""
    verdict = broken(healthy(), "redis.kill", 5, 8).verdict()
    text = to_json(verdict)
    jsonschema.Draft202012Validator.check_schema(verdict_schema())
    jsonschema.validate(json.loads(text), verdict_schema())
    assert from_json(text) == verdict
    assert json.loads(text)["facts"]["machine"]["cores"] == 2


def test_observers_without_a_last_word_make_a_run_unknown() -> None:
    """A leak that came after their file ended would not be in it."""
    verdict = healthy().drop(Health, where=lambda row: row.why == "end").verdict()
    assert verdict.ruling is Ruling.UNKNOWN
    assert any("observers left no last word" in doubt for doubt in verdict.doubts)


def test_a_proxy_without_a_last_word_is_never_a_pass() -> None:
    """A killed fault proxy may have lost the attempt too many: unknown, and it says so."""
    story = healthy()
    opened = Opened(at_ns=ns(1), proxy="backend-redis", connection=1, client="c", upstream_port=1)
    assert story.add("proxy", opened).verdict().ruling is Ruling.PASS
    verdict = story.drop(WireEnd).verdict()
    assert verdict.ruling is Ruling.UNKNOWN
    assert any("no last word" in doubt for doubt in verdict.doubts)
