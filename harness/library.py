"""`harness chaos`: the scenario library, one run after the other, and an index of what came of each.

Each scenario has services of its own: a Postgres that was crashed or filled before would be another machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness import bundled
from harness.clock import NS_PER_S, monotonic_ns
from harness.gate import Ruling
from harness.judging import EXIT_CODES as RULED
from harness.judging import judged_and_reported
from harness.live.dashboard import watching
from harness.live.prepare import Prepared, RunRequest, StackName, prepare
from harness.live.run import run
from harness.report.index import write_index
from harness.running import EXIT_CODES as BROKEN
from harness.scenario import Size
from harness.tomlfile import BadFile, Mistake

INTERRUPTED = BROKEN["interrupted"]
# From the best to the worst: an environment that broke hides more than an unknown, a failed gate says the most.
RANKED = (RULED[Ruling.PASS], RULED[Ruling.UNKNOWN], BROKEN["environment"], RULED[Ruling.FAIL])
STYLES = {"pass": "green", "fail": "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryRequest:
    """What to run: all of the library, or the scenarios `only` names."""

    only: Sequence[str] = ()
    target: Path | None = None
    stack: StackName = "auto"
    size: Size = "short"
    seed: int | None = None
    out: Path = Path("reports")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one scenario."""

    scenario: str
    proves: str
    word: str
    why: tuple[str, ...]
    took_s: float
    exit_code: int


def run_library(request: LibraryRequest, console: Console) -> int:
    """Run the scenarios, print a table, write the index; the exit code of the worst.

    Raises `BadFile` with every mistake of every scenario before anything is started.
    """
    prepared = list(_prepared(request))
    outcomes: list[Outcome] = []
    for number, each in enumerate(prepared, 1):
        console.rule(f"{each.scenario.name} ({number} of {len(prepared)})", align="left", style="dim")
        outcomes.append(_outcome(each, console))
        console.print(
            f"{outcomes[-1].word} after {outcomes[-1].took_s:.0f} s", style=STYLES.get(outcomes[-1].word, "yellow")
        )
        if outcomes[-1].exit_code == INTERRUPTED:
            break
    console.print(table(outcomes))
    if (index := write_index(request.out)) is not None:
        console.print(f"index: {index}", markup=False, highlight=False)
    return worst(outcome.exit_code for outcome in outcomes)


def worst(codes: Iterable[int]) -> int:
    """An interruption is the last word; else the worst by `RANKED`."""
    found = list(codes)
    return INTERRUPTED if INTERRUPTED in found else max(found, key=RANKED.index, default=0)


def table(outcomes: Sequence[Outcome]) -> Table:
    """Scenario, verdict, time, and what it proves, or why it doesn't."""
    shown = Table("scenario", "verdict", "took", "proves, or why not", box=None, pad_edge=False)
    for each in outcomes:
        text = each.proves if each.word == "pass" else "; ".join(each.why)
        style = STYLES.get(each.word, "yellow")
        shown.add_row(each.scenario, f"[{style}]{each.word}[/]", f"{each.took_s:.0f} s", text)
    return shown


def _prepared(request: LibraryRequest) -> Iterator[Prepared]:
    known = [path.stem for path in bundled.scenarios()]
    if unknown := [name for name in request.only if name not in known]:
        remedy = f"known: {', '.join(known)}"
        raise BadFile("chaos", [Mistake(key=name, problem="is no bundled scenario", remedy=remedy) for name in unknown])
    for name in request.only or known:
        asked = RunRequest(
            scenario=name,
            target=request.target,
            stack=request.stack,
            size=request.size,
            seed=request.seed,
            out=request.out,
        )
        yield prepare(asked)


def _outcome(prepared: Prepared, console: Console) -> Outcome:
    begun_ns = monotonic_ns()
    with watching(console) as watch:
        ran = asyncio.run(run(prepared, watch))
    verdict = judged_and_reported(ran.folder)
    return Outcome(
        scenario=prepared.scenario.name,
        proves=prepared.scenario.proves,
        word=verdict.ruling.word,
        why=tuple(verdict.why) if ran.reason == "completed" else (ran.detail, *verdict.why),
        took_s=(monotonic_ns() - begun_ns) / NS_PER_S,
        exit_code=BROKEN.get(ran.reason, RULED[verdict.ruling]),
    )
