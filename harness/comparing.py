"""`harness compare`: runs of two versions -> one table; refuses what can't be compared unless told to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.judge.compare import RUNS_MIN, Change, Comparison, compare
from harness.judge.verdict import judge
from harness.record.folder import RunFolder, write_whole
from harness.record.reader import read
from harness.report.compare_page import compare_html
from harness.tomlfile import BadFile, Mistake

WORSE = 1
WIDTH = 120
HIDDEN = ("_service_", "_failed_", "_min_ms", "_max_ms")


def compare_folders(paths: Sequence[Path], console: Console, *, force: bool, page: Path | None = None) -> int:
    """Before and after by turns: A B A2 B2. Prints the table; 1 where something is clearly worse, else 0. `page` is
    where to write it as HTML too.

    Raises `BadFile` for runs that can't be compared, `NotARun` for a folder that is none.
    """
    comparison = compared(paths)
    if comparison.differences and not force:
        mistakes = [
            Mistake(key=item, problem="differs", remedy="--force compares all the same")
            for item in comparison.differences
        ]
        raise BadFile("compare", mistakes)
    for line in comparison.differences:
        console.print(f"compared all the same, though it differs: {line}", style="yellow", markup=False)
    # What goes into a file or a pipe has no width of its own to be cut to.
    wide = console if console.is_terminal else Console(file=console.file, width=WIDTH)
    wide.print(table(comparison))
    if min(len(comparison.before), len(comparison.after)) < RUNS_MIN:
        console.print(f"fewer than {RUNS_MIN} runs on a side: nothing says how much of a difference is noise")
    if page is not None:
        write_whole(page, compare_html(comparison))
        console.print(f"page: {page}", markup=False, highlight=False)
    return WORSE if comparison.is_worse else 0


def compared(paths: Sequence[Path]) -> Comparison:
    """The comparison of these run folders, judged anew. Raises `BadFile` where a run lacks its partner."""
    if len(paths) < 2 or len(paths) % 2:
        remedy = "name them by turns: A B, or A B A2 B2 ..."
        raise BadFile(
            "compare", [Mistake(key=f"{len(paths)} runs", problem="are no pairs of before and after", remedy=remedy)]
        )
    records = [read(RunFolder(path)) for path in paths]
    verdicts = [judge(record) for record in records]
    return compare(verdicts[0::2], verdicts[1::2], [record.plan for record in records])


def table(comparison: Comparison) -> Table:
    """Findings of the whole run, those first that changed clearly."""
    shown = Table(box=None, pad_edge=False)
    for column in ("finding", "before", "after", "difference", "95 %", ""):
        shown.add_column(column, no_wrap=True)
    colours = {"better": "green", "worse": "red"}
    for change in sorted(_worth_showing(comparison), key=lambda item: item.word not in colours):
        shown.add_row(
            change.name,
            _figure(change.before.median, change.unit),
            _figure(change.after.median, change.unit),
            "" if change.difference is None else f"{change.difference:+.4g}",
            "" if change.low is None else f"{change.low:+.4g} to {change.high:+.4g}",
            change.word,
            style=colours.get(change.word),
        )
    return shown


def _worth_showing(comparison: Comparison) -> Iterator[Change]:
    for change in comparison.changes:
        if change.phase == "all" and not any(part in change.name for part in HIDDEN):
            yield change


def _figure(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g} {unit}".strip()
