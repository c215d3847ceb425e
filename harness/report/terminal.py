"""One screen at the end of a run: the verdict, why, the figures that matter, and where the report is."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from harness.judge.model import Verdict
from harness.record.folder import RunFolder


def summary(verdict: Verdict, folder: RunFolder) -> RenderableType:
    """The screen as something rich can print."""
    lines = [Text(verdict.ruling.word.upper(), style="bold"), *(Text(f"  {why}") for why in verdict.why)]
    return Group(*lines, Text(f"report: {folder.path / 'report.html'}"))
