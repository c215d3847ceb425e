"""Runs the benchmarks (all, or those named), prints a table and writes `reports/bench.json`.

    python -m benchmarks [NAME ...] [--list]

Measures; never judges: the exit code is 1 only when a benchmark could not be run.
"""

from __future__ import annotations

import importlib
import json
import math
import pkgutil
import platform
import sys
import traceback
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

import benchmarks
from benchmarks.rows import Row

RESULTS = Path("reports/bench.json")
PIPED_WIDTH = 200


def main(arguments: list[str]) -> int:
    # A file or a pipe has no width: what would be cut off there could not be read anywhere.
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    known = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if _has_run(module.name))
    if "--list" in arguments:
        console.print("\n".join(known))
        return 0
    if unknown := [name for name in arguments if name not in known]:
        console.print(f"no such benchmark: {', '.join(unknown)}; known: {', '.join(known)}", style="red")
        return 2
    rows, failed = [], []
    for name in arguments or known:
        console.print(f"{name} ...", style="dim")
        try:
            for row in importlib.import_module(f"benchmarks.{name}").run():
                console.print(f"  {row.name} {row.value:.4g} {row.unit}", style="dim", highlight=False)
                rows.append(row)
        except Exception:  # noqa: BLE001 - one benchmark that can't run must not hide the others' figures
            failed.append(name)
            console.print(traceback.format_exc(), style="red", markup=False, highlight=False)
    console.print(table(rows))
    write(rows)
    console.print(f"written to {RESULTS}" + (f"; could not run: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def table(rows: list[Row]) -> Table:
    shown = Table(Column("name", no_wrap=True), "value", "unit", "n", "goal", "", "note", box=None)
    words = {True: "[green]reached[/]", False: "[yellow]missed[/]", None: ""}
    for row in rows:
        bound = {"lower": "<= ", "higher": ">= "}[row.better]
        goal = f"{bound}{row.goal:g}" if row.goal is not None else ""
        value = "-" if math.isnan(row.value) else f"{row.value:.4g}"
        shown.add_row(row.name, value, row.unit, str(row.n), goal, words[row.reached], row.note)
    return shown


def write(rows: list[Row]) -> None:
    """Figures of benchmarks that did not run this time stay from the last time."""
    RESULTS.parent.mkdir(exist_ok=True)
    old = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    fresh = {row.name: asdict(row) | {"value": None if math.isnan(row.value) else row.value} for row in rows}
    merged = {row["name"]: row for row in old} | fresh
    machine = {"system": platform.platform(), "python": platform.python_version()}
    RESULTS.write_text(json.dumps({"machine": machine, "rows": list(merged.values())}, indent=1) + "\n")


def _has_run(name: str) -> bool:
    return not name.startswith("_") and "def run(" in (Path(benchmarks.__path__[0]) / f"{name}.py").read_text()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
