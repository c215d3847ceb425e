"""What a person sees while a run lives: one panel in a terminal, plain lines anywhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.live.progress import Progress

REFRESH_HZ = 8
PLAIN_EVERY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """The state of a run at a moment. `leaks` and the connection counts are null until they are known."""

    scenario: str
    phase: str
    elapsed_s: float
    progress: Progress
    faults: list[str] = field(default_factory=list)
    leaks: int | None = None
    claimed: int | None = None
    server: int | None = None


class Watch(Protocol):
    """Whoever follows a run."""

    def show(self, view: LiveView) -> None:
        """The state now; called several times a second and at every phase."""

    def tell(self, text: str) -> None:
        """Something worth a line of its own."""


@contextmanager
def watching(console: Console) -> Iterator[Watch]:
    """A panel that is redrawn where there is a terminal, else a line at every change that matters."""
    if not console.is_terminal or os.environ.get("CI"):
        yield PlainWatch(console)
        return
    with Live(console=console, refresh_per_second=REFRESH_HZ, transient=True) as live:
        yield PanelWatch(live)


class PanelWatch:
    """Redraws the panel."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, view: LiveView) -> None:
        self._live.update(panel(view))

    def tell(self, text: str) -> None:
        self._live.console.print(text, markup=False, highlight=False)


class PlainWatch:
    """A line for each phase, each fault that comes or goes, and every fifth registration."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[object, ...] = ()

    def show(self, view: LiveView) -> None:
        now = (view.phase, tuple(view.faults), view.progress.done // PLAIN_EVERY)
        if now != self._last:
            self._last = now
            self._console.print(line(view), markup=False, highlight=False)

    def tell(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)


def line(view: LiveView) -> str:
    """The state in one line: `[ 2.3 s] load: 5 of 20 registered; in force: redis.kill#1; leaks so far: 0`."""
    parts = [f"[{view.elapsed_s:5.1f} s] {view.phase}: {registered(view.progress)}"]
    if view.faults:
        parts.append(f"in force: {', '.join(view.faults)}")
    if view.leaks is not None:
        parts.append(f"leaks so far: {view.leaks}")
    return "; ".join(parts)


def registered(progress: Progress) -> str:
    """How many registrations have an outcome, and those that are not ok."""
    of = f" of {progress.planned}" if progress.planned is not None else ""
    bad = [f"{count} {word}" for word, count in (("failed", progress.failed), ("unknown", progress.unknown)) if count]
    return f"{progress.ok}{of} registered" + (f" ({', '.join(bad)})" if bad else "")


def panel(view: LiveView) -> RenderableType:
    """The panel: phase, bar, fault in force, leaks and connections."""
    progress = view.progress
    head = Text.assemble((view.scenario, "bold"), "  ", (view.phase, "cyan"), f"  {view.elapsed_s:.1f} s")
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "registrations", Group(ProgressBar(progress.planned or max(progress.done, 1), progress.done, width=40))
    )
    table.add_row("", registered(progress) + (f", {progress.operations} operations" if progress.operations else ""))
    table.add_row("fault in force", Text(", ".join(view.faults) or "none", style="red" if view.faults else "dim"))
    table.add_row("leaks so far", _number(view.leaks, bad=bool(view.leaks)))
    table.add_row(
        "connections", Text.assemble("claimed ", _number(view.claimed), ", Postgres sees ", _number(view.server))
    )
    table.add_row("generator lag", f"{progress.lag_max_ms:.1f} ms")
    return Group(head, table)


def _number(value: int | None, *, bad: bool = False) -> Text:
    return Text("-" if value is None else str(value), style="bold red" if bad else "")
