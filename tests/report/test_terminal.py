"""The screen at the end of a run: the verdict, why, and who it was."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from harness.judge.model import Verdict
from harness.judge.verdict import judge
from harness.record.folder import RunFolder
from harness.record.reader import read
from harness.report.terminal import summary
from tests.judge.story import connection, database, healthy, held


def _printed(verdict: Verdict, folder: Path) -> str:
    console = Console(width=160, file=StringIO())
    with console.capture() as capture:
        console.print(summary(verdict, RunFolder(folder)))
    return capture.get()


def test_a_pass_says_so_in_one_screen(tmp_path: Path) -> None:
    """Verdict and the figures that matter, and nothing that would scroll them away."""
    told = _printed(judge(read(healthy().write(tmp_path))), tmp_path)
    assert "PASS" in told
    assert "potential leaks" in told
    assert len(told.splitlines()) < 24


def test_a_failure_names_the_evidence(tmp_path: Path) -> None:
    """Whoever reads the log of a failed run learns which connection of which tenant it was."""
    verdict = judge(read(held(healthy(), connection(999, database(3), 2.0, 2.1)).write(tmp_path)))
    told = _printed(verdict, tmp_path)
    failed = [item for item in verdict.gates if item.ruling.word == "fail"]
    finding = verdict.finding(failed[0].gate.finding)
    assert "FAIL" in told
    assert finding is not None
    assert finding.evidence[0].text[:60] in told


def test_the_phase_1_scenario_stands_beside_the_report_it_repeats(tmp_path: Path) -> None:
    """Its own figures are printed beside the report's, and only for that scenario."""
    verdict = judge(read(healthy().write(tmp_path)))
    assert "14,033 ms" not in _printed(verdict, tmp_path)
    told = _printed(replace(verdict, facts=replace(verdict.facts, scenario="phase1")), tmp_path)
    assert "14,033 ms" in told
    assert "280.8" in told
