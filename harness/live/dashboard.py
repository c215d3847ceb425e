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

from harness.live.progress import Lately, Progress

REFRESH_HZ = 8
PLAIN_EVERY_MIN = 5
PLAIN_LINES = 20
PLAIN_QUIET_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """The state of a run at a moment. `leaks` and the connection counts, one for each ledger, are null until known."""

    scenario: str
    phase: str
    elapsed_s: float
    progress: Progress
    lately: Lately = field(default_factory=Lately)
    lag_limit_ms: float = 250.0
    faults: list[str] = field(default_factory=list)
    leaks: int | None = None
    claimed: int | None = None
    server: int | None = None
    wire: int | None = None


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
    """A line for each phase, each fault that comes or goes, about twenty for the registrations, and one in 10 s."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[object, ...] = ()

    def show(self, view: LiveView) -> None:
        every = max(PLAIN_EVERY_MIN, (view.progress.planned or 0) // PLAIN_LINES)
        quiet = view.elapsed_s // PLAIN_QUIET_S
        now = (view.phase, tuple(view.faults), view.progress.done // every, quiet)
        if now != self._last:
            self._last = now
            self._console.print(line(view), markup=False, highlight=False)

    def tell(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)


def line(view: LiveView) -> str:
    """The state in one line: `[ 2.3 s] load: 5 of 20 registered; in force: redis.kill#1; leaks so far: 0`."""
    parts = [f"[{view.elapsed_s:5.1f} s] {view.phase}: {registered(view.progress)}"]
    if view.progress.operations:
        parts.append(f"{view.progress.operations} operations")
    if view.lately.requests:
        parts.append(lately(view.lately))
    if view.faults:
        parts.append(f"in force: {', '.join(view.faults)}")
    if view.leaks is not None:
        parts.append(f"leaks so far: {view.leaks}")
    if view.progress.lag_max_ms > view.lag_limit_ms:
        parts.append(f"the generator is {view.progress.lag_max_ms:.0f} ms late")
    return "; ".join(parts)


def registered(progress: Progress) -> str:
    """How many registrations have an outcome, and those that are not ok."""
    of = f" of {progress.planned}" if progress.planned is not None else ""
    bad = [f"{count} {word}" for word, count in (("failed", progress.failed), ("unknown", progress.unknown)) if count]
    return f"{progress.ok}{of} registered" + (f" ({', '.join(bad)})" if bad else "")


def lately(last: Lately) -> str:
    """The last seconds: `12.4 requests/s, p95 230 ms, 3 not ok`."""
    p95 = "" if last.p95_ms is None else f", p95 {last.p95_ms:.0f} ms"
    return f"{last.rate_per_s:.1f} requests/s{p95}" + (f", {last.not_ok} not ok" if last.not_ok else "")


def panel(view: LiveView) -> RenderableType:
    """The panel: phase, bar, registrations by outcome, the last seconds, fault in force, ledgers, generator."""
    progress = view.progress
    head = Text.assemble((view.scenario, "bold"), "  ", (view.phase, "cyan"), f"  {view.elapsed_s:.1f} s")
    table = Table.grid(padding=(0, 2))
    table.add_row("registrations", ProgressBar(progress.planned or max(progress.done, 1), progress.done, width=40))
    table.add_row("", outcomes(progress))
    table.add_row(f"last {view.lately.seconds:.0f} s", Text(lately(view.lately)))
    table.add_row("fault in force", Text(", ".join(view.faults) or "none", style="red" if view.faults else "dim"))
    table.add_row("leaks so far", _number(view.leaks, bad=bool(view.leaks)))
    table.add_row("connections", connections(view))
    table.add_row("generator", generator(view))
    return Group(head, table)


def outcomes(progress: Progress) -> Text:
    """Registrations by outcome, those in flight, and the background mix."""
    text = Text.assemble((f"{progress.ok} ok", "green"))
    for word, count in (("failed", progress.failed), ("unknown", progress.unknown)):
        text.append(f"  {count} {word}", style="bold red" if count else "dim")
    text.append(f"  {progress.started - progress.done} in flight")
    if progress.planned is not None:
        text.append(f"  {progress.planned - progress.started} to come")
    return text.append(f"  {progress.operations} operations")


def connections(view: LiveView) -> Text:
    """What each ledger says."""
    counts = {"claimed": view.claimed, "Postgres sees": view.server, "on the wire": view.wire}
    text = Text()
    for ledger, count in counts.items():
        text.append(f"{ledger} ").append(_number(count)).append("  ")
    return text


def generator(view: LiveView) -> Text:
    """Whether the load is sent on time, and by how many processes."""
    last, late = view.lately, view.progress.lag_max_ms > view.lag_limit_ms
    text = Text(f"{last.workers_running} of {last.workers} processes", style="" if last.workers else "dim")
    return text.append(f"  {view.progress.lag_max_ms:.1f} ms late", style="bold red" if late else "")


def _number(value: int | None, *, bad: bool = False) -> Text:
    return Text("-" if value is None else str(value), style="bold red" if bad else "")
