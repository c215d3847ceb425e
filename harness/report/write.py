"""Writes a run's reports, one file a format, and the index of the runs beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from harness.judge.model import Verdict
from harness.record.folder import RunFolder, write_whole
from harness.record.reader import Record
from harness.report.junit import junit
from harness.report.page import Page, page
from harness.report.tables import write_csv, write_parquet

FORMATS = ("html", "md", "json", "junit", "csv", "parquet", "svg")


def write_reports(folder: RunFolder, record: Record, verdict: Verdict, *, formats: Sequence[str]) -> list[Path]:
    """Write each format asked for; returns the files. Pictures come first, for Markdown shows those that are there."""
    writing = Writing(folder.path, record, verdict)
    writers: dict[str, Callable[[], list[Path]]] = {
        "svg": writing.svg,
        "html": writing.html,
        "md": writing.markdown,
        "json": writing.json,
        "junit": writing.junit,
        "csv": writing.csv,
        "parquet": writing.parquet,
    }
    return [path for name, write in writers.items() if name in formats for path in write()]


class Writing:
    """One run's reports; what several of them need is computed once, and only if one needs it."""

    def __init__(self, path: Path, record: Record, verdict: Verdict) -> None:
        self._path = path
        self._record = record
        self._verdict = verdict

    @cached_property
    def _page(self) -> Page:
        return page(self._record, self._verdict)

    def html(self) -> list[Path]:
        from harness.report.html import html

        return [self._text("report.html", html(self._page))]

    def markdown(self) -> list[Path]:
        from harness.report.markdown import markdown

        return [self._text("report.md", markdown(self._page, self._path))]

    def svg(self) -> list[Path]:
        from harness.report.pictures import write_pictures

        return write_pictures(self._page, self._path)

    def json(self) -> list[Path]:
        """Judging has written it; here it is only named."""
        return [self._path / "verdict.json"]

    def junit(self) -> list[Path]:
        return [self._text("junit.xml", junit(self._record, self._verdict))]

    def csv(self) -> list[Path]:
        write_csv(self._record, self._path / "requests.csv")
        return [self._path / "requests.csv"]

    def parquet(self) -> list[Path]:
        write_parquet(self._record, self._path / "requests.parquet")
        return [self._path / "requests.parquet"]

    def _text(self, name: str, text: str) -> Path:
        write_whole(self._path / name, text)
        return self._path / name
