"""What is derived from the runs of a folder: readiness, go or no-go, the index, the run before."""

from __future__ import annotations

from pathlib import Path

from harness.gate import Ruling
from harness.report.index import index_html, trends, write_index
from harness.report.past import PastGate, PastRun, past_runs
from harness.report.readiness import NEEDED, conclusion
from tests.judge.story import healthy
from tests.report.rendering import HOSTILE, Seen, reported


def run(scenario: str, ruling: Ruling | None = Ruling.PASS, at: int = 1, planned: int = 20, **gates: Ruling) -> PastRun:
    """A run as a later one finds it."""
    return PastRun(
        name=f"{at:03d}-{scenario}",
        scenario=scenario,
        proves="a test",
        created_at=f"2026-01-01T00:00:{at:02d}+00:00",
        target="a shop",
        stack="embedded",
        seed=1,
        planned=planned,
        machine="h, 2 cores",
        ruling=ruling,
        why=[] if ruling is Ruling.PASS else ["leaks: 3"],
        gates=[PastGate(finding=name, ruling=told) for name, told in gates.items()],
        figures={"register_p95_ms": float(at), "leaks": 0.0},
        report=f"{at:03d}-{scenario}/report.html",
    )


def states(*runs: PastRun) -> dict[str, str]:
    return {area.name: area.state for area in conclusion(list(runs), []).areas}


def test_an_area_is_ready_only_when_all_that_it_needs_was_asked_and_passed() -> None:
    """One passed gate of many makes no area ready."""
    needed = dict.fromkeys(NEEDED["Security"], Ruling.PASS)
    assert states(run("a", **needed))["Security"] == "ready"
    first, *_ = needed
    assert states(run("a", **{first: Ruling.PASS}))["Security"] == "partial"
    assert states(run("a", **(needed | {first: Ruling.UNKNOWN})))["Security"] == "partial"
    assert states(run("a", **(needed | {first: Ruling.FAIL})))["Security"] == "needs work"
    assert states(run("a"))["Security"] == "not done"


def test_areas_gather_gates_over_scenarios_and_only_the_newest_run_of_each_counts() -> None:
    """A failure that a later run of the scenario does not show is past."""
    half, other = NEEDED["Monitoring"][:1], NEEDED["Monitoring"][1:]
    passed = run("b", at=3, **dict.fromkeys(other, Ruling.PASS))
    newest = run("a", at=2, **dict.fromkeys(half, Ruling.PASS))
    older = run("a", Ruling.FAIL, at=1, **dict.fromkeys(half, Ruling.FAIL))
    assert states(passed, newest, older)["Monitoring"] == "ready"


def test_load_counts_as_tested_by_a_run_of_a_hundred_registrations() -> None:
    """Twenty registrations are no load test, whatever their verdict."""
    assert states(run("a", planned=99))["Load testing"] == "not done"
    assert states(run("a", planned=100))["Load testing"] == "ready"
    assert states(run("a", Ruling.FAIL, planned=1000))["Load testing"] == "needs work"


def test_go_needs_every_scenario_of_the_library() -> None:
    """A failed one is a no-go; one that was not run, not judged or can't be told leaves it undecided."""
    assert conclusion([run("a"), run("b")], ["a", "b"]).decision == "go"
    assert conclusion([run("a")], ["a", "b"]).decision == "undecided"
    assert conclusion([run("a"), run("b", None)], ["a", "b"]).decision == "undecided"
    assert conclusion([run("a"), run("b", Ruling.UNKNOWN)], ["a", "b"]).decision == "undecided"
    told = conclusion([run("a", Ruling.FAIL), run("b", Ruling.UNKNOWN)], ["a", "b", "c"])
    assert told.decision == "no-go"
    assert told.reasons[0] == "a failed: leaks: 3"
    assert conclusion([], []).decision == "undecided"


def test_the_index_lists_what_is_a_run_and_forgives_what_is_none(tmp_path: Path) -> None:
    """Half-written folders, broken files and links don't hide the runs."""
    folder = healthy(4).write(tmp_path / "2026-told")
    reported(folder)
    (tmp_path / "latest").symlink_to("2026-told")
    (tmp_path / "not-a-run").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "plan.json").write_text("{")
    unjudged = healthy(4).write(tmp_path / "2026-unjudged")
    (unjudged.path / "verdict.json").write_text('{"ruling": "pa')
    assert [(found.name, found.ruling is None) for found in past_runs(tmp_path)] == [
        ("2026-unjudged", True),
        ("2026-told", False),
    ]
    written = write_index(tmp_path)
    assert written is not None
    seen = Seen()
    seen.feed(written.read_text())
    assert "2026-told/report.html" in seen.links
    assert "not judged" in seen.text


def test_an_index_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    """Judging a run in a folder of somebody's web pages writes over none of them."""
    (tmp_path / "index.html").write_text("<h1>mine</h1>")
    assert write_index(tmp_path) is None
    assert (tmp_path / "index.html").read_text() == "<h1>mine</h1>"


def test_the_index_is_written_again_over_its_own(tmp_path: Path) -> None:
    """After each run it tells of that run too."""
    assert write_index(tmp_path) == write_index(tmp_path) == tmp_path / "index.html"


def test_trends_need_two_runs_and_go_from_old_to_new() -> None:
    """A point alone is no trend; the newest is at the right."""
    assert trends([run("a")]) == {}
    line = trends([run("a", at=3), run("a", at=2), run("b", at=1)])["a"][0]
    assert [dot.value for dot in line.dots] == [2.0, 3.0]
    assert line.dots[0].x < line.dots[1].x
    assert not line.mixed


def test_hostile_names_stay_text_in_the_index() -> None:
    """A scenario's name from an old plan is no markup."""
    seen = Seen()
    seen.feed(index_html([run(HOSTILE, Ruling.FAIL), run(HOSTILE, at=2)]))
    assert seen.tags.count("script") == 1


def test_a_report_names_the_run_before_it(tmp_path: Path) -> None:
    """Before and after: the figures of the newest older run of the same scenario, and a link to it."""
    first = healthy(4).write(tmp_path / "1-told")
    reported(first)
    second = healthy(4)
    plan = second.plan().model_copy(update={"created_at": "2026-01-02T00:00:00+00:00"})
    folder = second.write(tmp_path / "2-told")
    folder.write_plan(plan)
    reported(folder)
    page = reported(folder).page
    assert "../1-told/report.html" in page.links
    assert "Beside the run before it" in page.text
