"""Run folder -> verdict -> reports: what `harness judge` and `harness report` do, and `harness run` at its end."""

from __future__ import annotations

from rich.console import Console

from harness.gate import Ruling
from harness.judge.model import Verdict
from harness.judge.verdict import judge, to_json
from harness.record.folder import RunFolder, write_whole
from harness.record.reader import read
from harness.report.terminal import summary
from harness.report.write import write_reports

EXIT_CODES = {Ruling.PASS: 0, Ruling.FAIL: 1, Ruling.UNKNOWN: 3}
REPORT_FORMATS = ("html", "md", "junit")


def judge_folder(folder: RunFolder, console: Console) -> int:
    """Judge, write `verdict.json` and the reports, print the one screen; the exit code of the ruling.

    Raises `NotARun` where the folder is none.
    """
    verdict = judged(folder)
    report_folder(folder, REPORT_FORMATS, verdict)
    console.print(summary(verdict, folder))
    return EXIT_CODES[verdict.ruling]


def judged(folder: RunFolder) -> Verdict:
    """The verdict, written to `verdict.json` too."""
    record = read(folder)
    verdict = judge(record)
    write_whole(folder.verdict_file, to_json(verdict, record))
    return verdict
