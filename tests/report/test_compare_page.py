"""The comparison as a page: what is clear first, every run a dot, what makes it doubtful said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from harness.cli import app
from harness.judge.compare import Comparison, compare
from harness.judge.model import Verdict
from harness.report.compare_page import compare_html, picture
from tests.judge.story import healthy
from tests.report.rendering import HOSTILE, Seen, reported


def verdicts(*leaks: float, title: str = "Potential leaks") -> list[Verdict]:
    """Runs that differ in their leaks."""
    whole = healthy(4).verdict()
    return [
        replace(
            whole,
            findings=[
                replace(item, value=value, title=title) if item.name == "leaks" else item for item in whole.findings
            ],
        )
        for value in leaks
    ]


def seen(comparison: Comparison) -> Seen:
    page = Seen()
    page.feed(compare_html(comparison))
    return page


def test_what_is_clearly_worse_is_said_first_with_every_run() -> None:
    """Three leaky runs after three sound ones: worse, in the first table, six dots."""
    comparison = compare(verdicts(0, 0, 0), verdicts(5, 7, 6))
    page = seen(comparison)
    assert "Worse" in page.text
    assert page.ids.index("change-leaks-all") < page.ids.index("rest")
    leaks = next(change for change in comparison.changes if change.name == "leaks")
    drawn = picture(leaks)
    assert len(drawn.before) == len(drawn.after) == 3
    assert max(drawn.before) < min(drawn.after)


def test_too_few_runs_and_other_machines_are_told() -> None:
    """Without repeats nothing says what is noise; a comparison across machines says so."""
    after = verdicts(0)[0]
    other = replace(after, facts=replace(after.facts, stack="docker"))
    page = seen(compare(verdicts(0), [other]))
    assert "Fewer than 3 runs on a side" in page.text
    assert "stack: embedded / docker" in page.text
    assert "Nothing clearly worse" in page.text


def test_hostile_titles_stay_text() -> None:
    """What a run says of itself makes no element of the page."""
    page = seen(compare(verdicts(0, title=HOSTILE), verdicts(5, title=HOSTILE)))
    assert page.tags.count("script") == 1
    assert "<script>alert(1)</script>" in page.text


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    """`harness compare A B --html FILE`."""
    runs = [healthy(4).write(tmp_path / name) for name in ("a", "b")]
    for folder in runs:
        reported(folder, formats=())
    done = CliRunner().invoke(app, ["compare", *(str(run.path) for run in runs), "--html", str(tmp_path / "c.html")])
    assert done.exit_code == 0, done.output
    assert "Nothing clearly worse" in (tmp_path / "c.html").read_text()
