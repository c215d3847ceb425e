"""`index.html`: the runs of a folder, newest first, and how each scenario's figures went from run to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import bundled
from harness.record.folder import write_whole
from harness.report.past import PastRun, past_runs
from harness.report.readiness import conclusion
from harness.report.templating import asset, environment, style

NAME = "index.html"
MARK = '<meta name="generator" content="tenant-harness index">'
TREND_RUNS = 40
WIDTH, HEIGHT, EDGE = 220.0, 44.0, 5.0
FIGURES = {
    "register_p95_ms": ("95th percentile of a registration", "ms"),
    "register_avg_ms": ("average registration", "ms"),
    "leaks": ("potential leaks", ""),
    "registrations_ok": ("registrations acknowledged", ""),
    "time_to_recover": ("time to recover", "s"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A run on a trend line, in the picture's coordinates."""

    x: float
    y: float
    run: PastRun
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One figure of one scenario over its runs, oldest first. `mixed` says that they are not all from one machine."""

    title: str
    unit: str
    dots: list[Dot]
    mixed: bool

    @property
    def line(self) -> str:
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


def write_index(base: Path) -> Path | None:
    """Write the index of the runs in `base`. A file of that name that is not ours is left alone, then null."""
    path = base / NAME
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace")[:2000]:
        return None
    write_whole(path, index_html(past_runs(base)))
    return path


def index_html(runs: list[PastRun]) -> str:
    """The page; `runs` are newest first."""
    template = environment().get_template("index.html.j2")
    library = [path.stem for path in bundled.scenarios()]
    return template.render(
        runs=runs,
        trends=trends(runs),
        conclusion=conclusion(runs, library),
        style=style(),
        theme_script=asset("theme.js"),
        size=(WIDTH, HEIGHT),
    )


def trends(runs: list[PastRun]) -> dict[str, list[Trend]]:
    """By scenario; figures that fewer than two runs have make no trend."""
    found: dict[str, list[Trend]] = {}
    for scenario in sorted({run.scenario for run in runs}):
        mine = [run for run in reversed(runs) if run.scenario == scenario][-TREND_RUNS:]
        lines = [trend for name in FIGURES if (trend := _trend(name, mine)) is not None]
        if lines:
            found[scenario] = lines
    return found


def _trend(name: str, runs: list[PastRun]) -> Trend | None:
    told = [run for run in runs if name in run.figures]
    if len(told) < 2:
        return None
    title, unit = FIGURES[name]
    top = max([1e-9, *(run.figures[name] for run in told)])
    step = (WIDTH - 2 * EDGE) / (len(told) - 1)
    dots = [
        Dot(
            x=EDGE + step * number,
            y=HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * max(run.figures[name], 0) / top,
            run=run,
            value=run.figures[name],
        )
        for number, run in enumerate(told)
    ]
    return Trend(title=title, unit=unit, dots=dots, mixed=len({run.machine for run in told}) > 1)
