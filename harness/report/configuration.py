"""What was run, on what, with which seed; and the files that a run left, each with what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.record.reader import Record
from harness.report.figures import date, figure, size
from harness.report.text import clean

CONTENTS = {
    "plan.json": "everything that was going to happen, written first",
    "end.json": "how the run ended",
    "verdict.json": "findings, gates and verdict",
    "conductor.jsonl": "phases, faults, probes, health checks, notes",
    "observe.jsonl": "samples of Postgres, Redis, the backend's statistics and the processes",
    "proxy.jsonl": "every connection through the fault proxy",
    "final_read.jsonl": "what was really there at the end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and what is told of it; `link` leads to a file beside the report."""

    name: str
    text: str
    link: str = ""


def configuration(record: Record) -> list[Fact]:
    """The test configuration as the report prints it."""
    return [Fact(name=name, text=clean(text)) for name, text in _facts(record) if text]


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    plan, end = record.plan, record.end
    load, machine = plan.scenario.load, plan.machine
    yield "Proves", plan.scenario.proves
    yield "A failure means", plan.scenario.failure_means
    yield "Backend", plan.target.name
    yield "Registrations", _amount(record)
    yield "Flow of each tenant", " → ".join(load.flow) if load.locustfile is None else f"Locust file {load.locustfile}"
    yield "Beside it", ", ".join(load.operations.steps) if load.operations else ""
    yield "Faults", ", ".join(name for item in plan.scenario.faults for name in item.names) or "none"
    yield "Settings", ", ".join(f"{name} = {value}" for name, value in plan.scenario.settings.items())
    yield "Stack", f"{end.stack} ({end.stack_why})" if end else plan.stack
    yield "Services", ", ".join(f"{name}: {version}" for name, version in end.versions.items()) if end else ""
    yield "Machine", f"{machine.cores} cores, {size(machine.memory_bytes)}, {machine.system}, Python {machine.python}"
    yield "Seed", str(plan.seed)
    yield "Began", date(plan.created_at)
    yield "Took", figure(end.ended_ns / 1e9, "s") if end else "unknown: the run was killed"
    yield "Harness", f"tenant-harness {plan.harness_version}"


def _amount(record: Record) -> str:
    load = record.plan.scenario.load
    how_many = (
        f"{load.registrations:,}" if load.registrations is not None else f"as many as fit into {load.duration_s:g} s"
    )
    how = {
        "sequential": "one after another",
        "closed": f"{load.users} at a time",
        "open": f"{load.rate_per_s:g} a second" if load.rate_per_s else "by a schedule of rates",
    }
    processes = f", from {load.processes} load processes" if load.processes > 1 else ""
    return f"{how_many}, {how[load.model]}{processes}"


def run_files(record: Record) -> list[Fact]:
    """Every file of the run folder that is evidence, with its size."""
    base = record.folder.path
    paths = [base / name for name in ("plan.json", "end.json", "verdict.json")]
    paths += sorted(record.folder.events.glob("*.jsonl")) + sorted(record.folder.logs.glob("*.log"))
    return [
        Fact(
            name=str(path.relative_to(base)),
            text=f"{size(path.stat().st_size)}: {_content(path.name)}",
            link=str(path.relative_to(base)),
        )
        for path in paths
        if path.is_file()
    ]


def _content(name: str) -> str:
    if name.startswith("load-") and name.endswith(".jsonl"):
        return "every intent and request of a load worker"
    return CONTENTS.get(name, f"output of {name.removesuffix('.log')}")
