"""The library's table and its exit code."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.library import LibraryRequest, Outcome, run_library, table, worst
from harness.tomlfile import BadFile


@pytest.mark.parametrize(
    ("codes", "whole"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 1, 0], 1), ([4, 3], 4), ([4, 1], 1), ([1, 130], 130)],
)
def test_the_worst_run_decides(codes: list[int], whole: int) -> None:
    """A failed gate outweighs what is unknown, and an interruption is told as one."""
    assert worst(codes) == whole


def test_the_table_says_what_is_proven_or_why_not() -> None:
    """Somebody who reads only the table knows which promise does not hold."""
    passed = Outcome(scenario="calm", proves="All is well", word="pass", why=(), took_s=12.4, exit_code=0)
    failed = Outcome(scenario="storm", proves="Nothing", word="fail", why=("lost: 2",), took_s=3, exit_code=1)
    out = io.StringIO()
    Console(file=out, width=120).print(table([passed, failed]))
    calm, storm = out.getvalue().splitlines()[1:]
    assert calm.split() == ["calm", "pass", "12", "s", "All", "is", "well"]
    assert storm.split() == ["storm", "fail", "3", "s", "lost:", "2"]


def test_an_unknown_scenario_is_told_before_anything_starts() -> None:
    """All names that are none, with those that are known."""
    with pytest.raises(BadFile, match=r"known: .*redis-kill") as bad:
        run_library(LibraryRequest(only=("redis-kill", "nope", "neither")), Console(file=io.StringIO()))
    assert [mistake.key for mistake in bad.value.mistakes] == ["nope", "neither"]
