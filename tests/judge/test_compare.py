"""Before and after: what is noise, what is clear, and what can't be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from harness.comparing import compare_folders
from harness.judge.compare import Change, compare
from harness.judge.model import Finding, Verdict
from harness.tomlfile import BadFile
from tests.judge.story import connection, database, healthy, held


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return healthy().verdict()


def change(verdict: Verdict, before: Sequence[float], after: Sequence[float], **finding: str) -> Change:
    def runs(values: Sequence[float]) -> list[Verdict]:
        return [
            replace(verdict, findings=[Finding(name="x", title="X", value=value, **finding)])  # type: ignore[arg-type]
            for value in values
        ]

    return compare(runs(before), runs(after)).changes[0]


def test_a_difference_beyond_the_noise_is_clear(verdict: Verdict) -> None:
    """Every draw of the runs says so."""
    found = change(verdict, [100, 101, 102], [130, 131, 133])
    assert found.word == "worse"
    assert found.low is not None and found.low > 0
    assert change(verdict, [130, 131, 133], [100, 101, 102]).word == "better"


def test_a_difference_within_the_noise_is_not(verdict: Verdict) -> None:
    """The runs of one side differ as much among themselves."""
    assert change(verdict, [100, 140, 90], [110, 95, 145]).word == "unclear"


def test_one_run_each_says_nothing_of_noise(verdict: Verdict) -> None:
    """A figure that moved may move again."""
    found = change(verdict, [100], [200])
    assert (found.difference, found.low, found.word) == (100, None, "unclear")


def test_a_count_that_a_sound_backend_has_at_zero_is_clear_at_once(verdict: Verdict) -> None:
    """A leak that was not there before is none of the noise."""
    assert change(verdict, [0], [3], expected="0").word == "worse"
    assert change(verdict, [3], [0], expected="0").word == "better"
    assert change(verdict, [0], [0], expected="0").word == "same"


def test_runs_of_another_machine_or_stack_are_told(verdict: Verdict) -> None:
    """Their figures are not each other's before and after."""
    other = replace(verdict, facts=replace(verdict.facts, stack="docker"))
    assert compare([verdict], [other]).differences == ["stack: embedded / docker"]


def test_the_command_refuses_what_differs_and_compares_when_told(tmp_path: Path) -> None:
    """One message with all that differs; `--force` says it and goes on; a new leak is exit code 1."""
    before = healthy().write(tmp_path / "a").path
    leaking = held(healthy(), connection(5000, database(3), 9.0, 13.0))
    same = leaking.write(tmp_path / "b").path
    leaking.scenario["load"]["users"] = 3
    other = leaking.write(tmp_path / "c").path
    told = StringIO()
    console = Console(file=told, width=200)
    with pytest.raises(BadFile, match="load"):
        compare_folders([before, other], console, force=False)
    assert compare_folders([before, other], console, force=True) == 1
    assert compare_folders([before, same], console, force=False) == 1
    assert compare_folders([before, before], console, force=False) == 0
    with pytest.raises(BadFile, match="no pairs"):
        compare_folders([before], console, force=False)
    assert "unaccounted_connections" in told.getvalue()
