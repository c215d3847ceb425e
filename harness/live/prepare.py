"""Turns what a person asked for into a plan, before anything starts: every mistake is told here, exit code 2."""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from harness import __version__, bundled, scenario, target, tomlfile
from harness.clock import monotonic_ns, utc_now
from harness.live.chaos.faults.catalogue import mistakes as fault_mistakes
from harness.live.chaos.faults.catalogue import unknown_names
from harness.live.load.check import load_mistakes
from harness.live.stack import BackendCommand
from harness.plan import Machine, Plan, backend_env, mistakes_together
from harness.scenario import Scenario, Size
from harness.target import Target
from harness.tomlfile import BadFile, Mistake

StackName = Literal["auto", "embedded", "docker", "external"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One `harness run`, as asked. `overrides` are laid on the scenario's tables (`{"load": {"registrations": 100}}`),
    `target_overrides` on the target's;
    `backend_env` reaches the backend only and is not recorded."""

    scenario: str
    target: Path | None = None
    stack: StackName = "auto"
    size: Size | None = None
    seed: int | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    target_overrides: Mapping[str, Any] = field(default_factory=dict)
    out: Path = Path("reports")
    backend_env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that holds together."""

    request: RunRequest
    scenario: Scenario
    target: Target
    scenario_file: Path
    target_file: Path
    seed: int

    def plan(self, run_id: str, stack: str) -> Plan:
        """The plan of a run that begins now."""
        return Plan(
            harness_version=__version__,
            run_id=run_id,
            created_at=utc_now().isoformat(timespec="milliseconds"),
            origin_ns=monotonic_ns(),
            seed=self.seed,
            stack=stack,
            scenario_file=str(self.scenario_file),
            target_file=str(self.target_file),
            scenario=self.scenario,
            target=self.target,
            machine=this_machine(),
        )


def prepare(request: RunRequest) -> Prepared:
    """Read and check the files. Raises `BadFile` with every mistake of the first file that has any."""
    scenario_file = bundled.scenario(request.scenario)
    target_file = request.target or bundled.reference_target()
    if not scenario_file.exists():
        known = ", ".join(path.stem for path in bundled.scenarios())
        raise BadFile(
            scenario_file,
            [Mistake(key="scenario", problem="does not exist", remedy=f"name a file, or one of: {known}")],
        )
    read_scenario = _scenario(request, scenario_file)
    read_target = target.load(target_file, request.target_overrides)
    text = scenario_file.read_text(encoding="utf-8")
    mistakes = [
        *mistakes_together(read_scenario, read_target, text),
        *fault_mistakes(read_scenario, text),
        *load_mistakes(read_scenario, scenario_file, text),
    ]
    if mistakes:
        raise BadFile(scenario_file, tomlfile.with_origin(mistakes, request.overrides))
    return Prepared(
        request=request,
        scenario=read_scenario,
        target=read_target,
        scenario_file=scenario_file,
        target_file=target_file,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
    )


def _scenario(request: RunRequest, file: Path) -> Scenario:
    """The scenario. What the catalogue lacks is told beside whatever else keeps the file from being one."""
    try:
        return scenario.load(file, size=request.size, overrides=request.overrides)
    except BadFile as bad:
        try:
            tables = tomlfile.read_tables(file)
        except BadFile:
            raise bad from None  # It is no TOML: that is all there is to say.
        unknown = unknown_names(tables, file.read_text(encoding="utf-8"))
        raise BadFile(bad.path, tomlfile.with_origin([*bad.mistakes, *unknown], request.overrides)) from bad


def backend_command(plan: Plan, target_file: Path, extra_env: Mapping[str, str]) -> BackendCommand:
    """The target's `[start]` with the scenario's settings, and `extra_env` last."""
    start = plan.target.start
    if start is None:
        remedy = "add [start], or attach to a running backend with --stack external"
        raise BadFile(
            target_file,
            [Mistake(key="start", problem="is missing: the harness can't start this backend", remedy=remedy)],
        )
    return BackendCommand(
        argv=tuple(start.command),
        env={**start.env, **backend_env(plan), **extra_env},
        cwd=str((target_file.parent / start.cwd).resolve()),
        ready=start.ready,
        ready_timeout_s=start.ready_timeout_s,
        stop_timeout_s=start.stop_timeout_s,
        dockerfile=str((target_file.parent / start.dockerfile).resolve()) if start.dockerfile else None,
        container_port=start.container_port,
    )


def this_machine() -> Machine:
    """Where this process runs."""
    return Machine(
        host=platform.node(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
    )
