"""The command `harness`: reads what was asked, calls the halves, turns a verdict into an exit code.

Commands import what they need when they run, so that `harness --help` and `harness proxy` start at once.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from harness import __version__


class Exit(IntEnum):
    """What the exit code says."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    UNKNOWN = 3
    ENVIRONMENT = 4
    INTERRUPTED = 130


class StackChoice(StrEnum):
    AUTO = "auto"
    EMBEDDED = "embedded"
    DOCKER = "docker"
    EXTERNAL = "external"


class SizeChoice(StrEnum):
    SHORT = "short"
    FULL = "full"


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Load and chaos testing for backends that give every tenant a database of its own.",
    epilog="Exit codes: 0 pass, 1 gate failed, 2 bad usage or file, 3 unknown, 4 environment broke, 130 interrupted.",
)
console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)

DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}
SETTING = re.compile(r"[\w-]+(\.[\w-]+)*\s*=.*", re.DOTALL)

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, e.g. reports/latest")]
Out = Annotated[Path, typer.Option("--out", help="where run folders go")]


def main() -> None:
    """The entry point of the command."""
    if sys.argv[1:2] == ["proxy"]:
        from harness.proxy.cli import main as proxy

        raise SystemExit(proxy(sys.argv[2:]))
    app()


@contextmanager
def told() -> Iterator[None]:
    """Trouble that a person can mend becomes one message and an exit code, never a stack trace."""
    from harness.live.stack import EnvironmentTrouble
    from harness.record.folder import NotARun
    from harness.tomlfile import BadFile

    try:
        yield
    except (BadFile, NotARun) as trouble:
        errors.print(str(trouble), style="red", markup=False, highlight=False)
        raise typer.Exit(Exit.USAGE) from None
    except EnvironmentTrouble as trouble:
        errors.print(str(trouble), style="red", markup=False, highlight=False)
        raise typer.Exit(Exit.ENVIRONMENT) from None
    except OSError as trouble:
        if trouble.errno not in DISK_TROUBLE:
            raise
        errors.print(f"{trouble}; free some space, or name another folder", style="red", markup=False, highlight=False)
        raise typer.Exit(Exit.ENVIRONMENT) from None


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"tenant-harness {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="a scenario file, or the name of a bundled one")] = "redis-kill",
    target: Annotated[Path | None, typer.Option(help="describes your backend; default: the reference backend")] = None,
    stack: Annotated[StackChoice, typer.Option(help="what to run on")] = StackChoice.AUTO,
    size: Annotated[SizeChoice | None, typer.Option(help="the scenario's short or full size")] = None,
    seed: Annotated[int | None, typer.Option(help="replays the timeline and the tenants of that seed")] = None,
    registrations: Annotated[int | None, typer.Option(min=1, help="how many tenants to register")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="load processes on this machine")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="wait for so many `harness worker`s elsewhere")] = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="where those workers find this run")] = None,
    web: Annotated[bool, typer.Option("--web", help="serve Locust's own page on 127.0.0.1:8089 meanwhile")] = False,
    setting: Annotated[
        list[str] | None, typer.Option(help="a scenario key, e.g. load.users=20 or settings.cache_limit=5")
    ] = None,
    out: Out = Path("reports"),
) -> None:
    """Run a scenario, judge it and write its report."""
    from harness.live.prepare import RunRequest
    from harness.running import run_and_judge

    with told():
        request = RunRequest(
            scenario=scenario,
            target=target,
            stack=stack.value,
            size=size.value if size else None,
            seed=seed,
            overrides=overrides(
                {
                    "registrations": registrations,
                    "processes": processes,
                    "workers": workers,
                    "listen": listen,
                    "web": "127.0.0.1:8089" if web else None,
                },
                setting or [],
            ),
            out=out,
        )
        raise typer.Exit(run_and_judge(request, console))


def overrides(load: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """Command-line values as scenario tables; those of `load` that are null were not given.

    Raises `BadFile` for a setting that is no `key=value`.
    """
    import json
    import tomllib

    from harness.tomlfile import BadFile, Mistake, merged

    tables: dict[str, Any] = {}
    if given := {key: value for key, value in load.items() if value is not None}:
        tables["load"] = given
    wrong = [text for text in settings if not SETTING.fullmatch(text)]
    if wrong:
        remedy = "e.g. load.users=20"
        raise BadFile("--setting", [Mistake(key=text, problem="is no key=value", remedy=remedy) for text in wrong])
    for text in settings:
        key, _, value = text.partition("=")
        try:
            tables = merged(tables, tomllib.loads(f"{key} = {value}"))
        except tomllib.TOMLDecodeError:  # No TOML value: text that a shell has taken the quotes from.
            tables = merged(tables, tomllib.loads(f"{key} = {json.dumps(value)}"))
    return tables


@app.command()
def worker(
    master: Annotated[str, typer.Option(metavar="HOST[:PORT]", help="where `harness run --workers N` was started")],
) -> None:
    """Send a share of another machine's run; ends when that run has all of its rows."""
    # Locust patches whatever process it is imported into, so it gets this one whole, signals and all.
    os.execv(sys.executable, [sys.executable, "-m", "harness.live.load.remote", "--master", master])


@app.command()
def judge(
    run: RunPath = Path("reports/latest"),
    scenario: Annotated[Path | None, typer.Option(help="a scenario file whose gates to judge by instead")] = None,
) -> None:
    """Judge a run folder again and rewrite its verdict and reports."""
    from harness.judging import judge_folder
    from harness.record.folder import RunFolder

    with told():
        raise typer.Exit(judge_folder(RunFolder(run), console, gates_of=scenario))


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="A B [A2 B2 ...]", help="run folders, before and after by turns")
    ],
    force: Annotated[bool, typer.Option("--force", help="also where machine, stack or scenario differ")] = False,
    page: Annotated[Path | None, typer.Option("--html", help="write it as a page too")] = None,
) -> None:
    """Each finding before and after; three runs a side and more say how much is noise. Exit code 1: clearly worse."""
    from harness.comparing import compare_folders

    with told():
        raise typer.Exit(compare_folders(runs, console, force=force, page=page))


@app.command()
def report(
    run: RunPath = Path("reports/latest"),
    formats: Annotated[
        str, typer.Option("--format", help="comma list of html, md, json, junit, csv, parquet, svg")
    ] = "html,md",
) -> None:
    """Write a run's reports in the formats asked for."""
    from harness.judging import report_folder
    from harness.record.folder import RunFolder

    with told():
        for path in report_folder(RunFolder(run), formats.split(",")):
            console.print(str(path), highlight=False)


@app.command()
def doctor() -> None:
    """What this machine can do, with the remedy for each lack."""
    from harness.live.doctor import examine

    checks = examine()
    for check in checks:
        console.print(
            "[green]ok[/]" if check.ok else "[red]no[/]" if check.required else "[yellow]--[/]",
            f"[bold]{check.name}[/]:",
            escape(check.found),
            highlight=False,
        )
        if not check.ok:
            console.print(f"     {check.remedy}", style="yellow", markup=False, highlight=False)
    raise typer.Exit(Exit.PASS if all(check.ok or not check.required for check in checks) else Exit.ENVIRONMENT)


@app.command()
def prove(
    target: Annotated[Path | None, typer.Option(help="names its defects; default: the reference backend")] = None,
    stack: Annotated[StackChoice, typer.Option(help="what to run on")] = StackChoice.EMBEDDED,
    only: Annotated[list[str] | None, typer.Option(help="a defect, or a comma list; may be repeated")] = None,
    subset: Annotated[bool, typer.Option("--subset", help="one defect for each finding")] = False,
    healthy: Annotated[int | None, typer.Option(min=1, help="so many runs of the healthy backend instead")] = None,
    at_once: Annotated[int | None, typer.Option(min=1, max=16, help="runs at the same time")] = None,
    seed: Annotated[int | None, typer.Option(help="replays the timelines of that seed")] = None,
    out: Out = Path("reports"),
) -> None:
    """Show that every planted defect is detected, by the right finding, and the healthy backend is not accused."""
    from harness.prove.command import ProofRequest
    from harness.prove.command import prove as prove_it

    with told():
        request = ProofRequest(
            target=target,
            stack=stack.value,
            only=[name.strip() for name in ",".join(only or ()).split(",") if name.strip()],
            subset=subset,
            healthy=healthy,
            at_once=at_once,
            seed=seed,
            out=out,
        )
        raise typer.Exit(prove_it(request, console))


@app.command(name="clean")
def clean_up() -> None:
    """End what killed runs left behind; a live run is left alone."""
    from harness.live.clean import clean

    with told():
        cleaned = asyncio.run(clean())
    for line in cleaned.ended:
        console.print(f"ended: {line}", markup=False, highlight=False)
    for line in cleaned.live_runs:
        console.print(f"left alone, it is running: {line}", markup=False, highlight=False)
    for line in cleaned.left:
        errors.print(f"could not be ended: {line}", markup=False, highlight=False)
    if not cleaned.ended and not cleaned.left:
        console.print("nothing was left behind")
    raise typer.Exit(Exit.PASS if cleaned.is_clean else Exit.ENVIRONMENT)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def proxy() -> None:
    """The fault proxy: a server that speaks Toxiproxy's contract (see `harness proxy --help`)."""


@app.command()
def chaos(
    scenario: Annotated[list[str] | None, typer.Argument(help="names of bundled scenarios; default: all")] = None,
    target: Annotated[Path | None, typer.Option(help="describes your backend; default: the reference backend")] = None,
    stack: Annotated[StackChoice, typer.Option(help="what to run on")] = StackChoice.AUTO,
    size: Annotated[SizeChoice, typer.Option(help="the scenarios' short or full size")] = SizeChoice.SHORT,
    seed: Annotated[int | None, typer.Option(help="replays the timelines and the tenants of that seed")] = None,
    out: Out = Path("reports"),
) -> None:
    """Run the scenario library, judge each run, and write an index of them."""
    from harness.library import LibraryRequest, run_library

    with told():
        request = LibraryRequest(
            only=tuple(scenario or ()), target=target, stack=stack.value, size=size.value, seed=seed, out=out
        )
        raise typer.Exit(run_library(request, console))


@app.command()
def faults() -> None:
    """The fault catalogue: what each does, its options, and the stacks that can do it."""
    from harness.live.chaos.listing import listing

    console.print(listing())


@app.command()
def scenarios() -> None:
    """The bundled scenarios and what each proves."""
    from rich.table import Table

    from harness import bundled
    from harness import scenario as scenario_file

    table = Table("scenario", "proves", box=None, pad_edge=False)
    with told():
        for path in bundled.scenarios():
            table.add_row(path.stem, scenario_file.load(path).proves)
    console.print(table)


@app.command()
def schema(what: Annotated[str, typer.Argument(help="scenario, target or verdict")] = "scenario") -> None:
    """The JSON Schema of a file, for editors."""
    import json

    from harness.schemas import schema_of

    with told():
        sys.stdout.write(json.dumps(schema_of(what), indent=2) + "\n")
