"""The other runs of a folder as their plans and verdicts tell them, read leniently: old versions, broken files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.gate import Ruling
from harness.report.text import clean

RUNS_READ = 300
WORDS = {ruling.word: ruling for ruling in Ruling} | {ruling.value: ruling for ruling in Ruling}


@dataclass(frozen=True, slots=True, kw_only=True)
class PastGate:
    """A gate of a past run: on which finding, and its ruling."""

    finding: str
    ruling: Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run in the folder. `ruling` is null where it was never judged; `figures` are the values of whole-run findings.
    `report` is its page, relative to the folder, where it has one."""

    name: str
    scenario: str
    proves: str
    created_at: str
    target: str
    stack: str
    seed: int | None
    planned: int | None
    machine: str
    ruling: Ruling | None
    why: list[str]
    gates: list[PastGate]
    figures: dict[str, float]
    report: str | None


def past_runs(base: Path) -> list[PastRun]:
    """The newest runs of `base`, newest first. Folders without a readable plan are no runs."""
    folders = [path for path in base.iterdir() if path.is_dir() and not path.is_symlink()] if base.is_dir() else []
    newest = sorted(folders, key=lambda path: path.name, reverse=True)[:RUNS_READ]
    found = [run for path in newest if (run := past_run(path)) is not None]
    return sorted(found, key=lambda run: (run.created_at, run.name), reverse=True)


def past_run(path: Path) -> PastRun | None:
    """One run; null where `plan.json` is missing or no object."""
    plan, verdict = _json(path / "plan.json"), _json(path / "verdict.json")
    if not plan:
        return None
    scenario, machine = _table(plan, "scenario"), _table(plan, "machine")
    return PastRun(
        name=path.name,
        scenario=clean(str(scenario.get("name", "?")), 80),
        proves=clean(str(scenario.get("proves", ""))),
        created_at=str(plan.get("created_at", "")),
        target=clean(str(_table(plan, "target").get("name", "?")), 80),
        stack=str(_json(path / "end.json").get("stack") or plan.get("stack", "?")),
        seed=plan.get("seed"),
        planned=_table(scenario, "load").get("registrations"),
        machine=f"{machine.get('host', '?')}, {machine.get('cores', '?')} cores",
        ruling=_ruling(verdict.get("ruling")),
        why=[clean(str(text)) for text in verdict.get("why", [])],
        gates=list(_gates(verdict)),
        figures=_figures(verdict),
        report=f"{path.name}/report.html" if (path / "report.html").is_file() else None,
    )


def latest_by_scenario(runs: list[PastRun]) -> dict[str, PastRun]:
    """The newest run of each scenario; `runs` are newest first."""
    latest: dict[str, PastRun] = {}
    for run in runs:
        latest.setdefault(run.scenario, run)
    return latest


def _gates(verdict: dict[str, Any]) -> Iterator[PastGate]:
    for gate in verdict.get("gates", []):
        if (ruling := _ruling(gate.get("ruling"))) is not None:
            named = gate.get("finding") or _table(gate, "gate").get("finding", "?")
            yield PastGate(finding=str(named), ruling=ruling)


def _figures(verdict: dict[str, Any]) -> dict[str, float]:
    return {
        str(item["name"]): item["value"]
        for item in verdict.get("findings", [])
        if item.get("value") is not None and item.get("phase", "all") == "all"
    }


def _ruling(written: Any) -> Ruling | None:
    return WORDS.get(written) if isinstance(written, str | int) else None


def _table(values: dict[str, Any], key: str) -> dict[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _json(path: Path) -> dict[str, Any]:
    """The document; empty where there is none or it can't be read, as of a run that is being written."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
