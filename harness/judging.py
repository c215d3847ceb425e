"""Run folder -> verdict -> reports: what `harness judge` and `harness report` do, and `harness run` at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness import scenario
from harness.gate import Ruling
from harness.judge.document import to_json
from harness.judge.model import Verdict
from harness.judge.verdict import asked_of, judge
from harness.record.folder import RunFolder, write_whole
from harness.record.reader import Record, read
from harness.report.index import write_index
from harness.report.terminal import summary
from harness.report.write import FORMATS, write_reports
from harness.scenario import Scenario
from harness.tomlfile import BadFile, Mistake

EXIT_CODES = {Ruling.PASS: 0, Ruling.FAIL: 1, Ruling.UNKNOWN: 3}
REPORT_FORMATS = ("html", "md", "junit")


def judge_folder(folder: RunFolder, console: Console, *, gates_of: Path | None = None) -> int:
    """Judge, write `verdict.json` and the reports, print the one screen; the exit code of the ruling.

    `gates_of` is a scenario file whose gates take the place of the run's own. Raises `NotARun` where the folder is
    none, `BadFile` where that file can't be used.
    """
    verdict = judged_and_reported(folder, None if gates_of is None else scenario.load(gates_of))
    write_index(folder.path.resolve().parent)
    console.print(summary(verdict, folder))
    return EXIT_CODES[verdict.ruling]


def judged_and_reported(folder: RunFolder, gates: Scenario | None = None) -> Verdict:
    """The verdict, with `verdict.json` and the reports that every run has, all from one reading of the folder."""
    record = read(folder)
    verdict = _judged(record, gates)
    write_reports(folder, record, verdict, formats=REPORT_FORMATS)
    return verdict


def judged(folder: RunFolder) -> Verdict:
    """The verdict, written to `verdict.json` too."""
    return _judged(read(folder), None)


def _judged(record: Record, gates: Scenario | None) -> Verdict:
    """By the gates of another scenario where one is given."""
    verdict = judge(record, None if gates is None else asked_of(record.plan, gates))
    write_whole(record.folder.verdict_file, to_json(verdict))
    return verdict


def report_folder(folder: RunFolder, formats: Sequence[str]) -> list[Path]:
    """Judge a run and write the reports asked for. Raises `BadFile` for unknown formats."""
    if unknown := sorted(set(formats) - set(FORMATS)):
        known = ", ".join(FORMATS)
        raise BadFile(
            "--format", [Mistake(key=name, problem="is no format", remedy=f"known: {known}") for name in unknown]
        )
    record = read(folder)
    return write_reports(folder, record, _judged(record, None), formats=formats)
