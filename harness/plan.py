"""Scenario + target + seed -> Plan: everything that a run is going to do, before anything starts.

The same inputs give the same timeline and the same tenants. The plan is written to `plan.json` first and is all that a
load worker is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from harness import finding_names, tomlfile
from harness.clock import NS_PER_S, dice
from harness.fault_plan import FaultPlan
from harness.record.schema import CheckName
from harness.scenario import Scenario
from harness.target import Target
from harness.tomlfile import Mistake

SCHEMA_VERSION = 1


class Machine(tomlfile.Strict):
    """Where the run happens: figures of two runs are only compared when these agree."""

    host: str
    cores: int
    memory_bytes: int
    system: str
    python: str


class Plan(tomlfile.Strict):
    """What goes into `plan.json`."""

    schema_version: int = SCHEMA_VERSION
    harness_version: str
    run_id: str
    created_at: str = Field(description="wall clock, ISO 8601, UTC")
    origin_ns: int = Field(description="CLOCK_MONOTONIC at the run's zero")
    seed: int
    stack: str = Field(description="the stack that was asked for")
    scenario_file: str
    target_file: str
    scenario: Scenario
    target: Target
    machine: Machine

    @property
    def locustfile(self) -> Path | None:
        """The Locust file to run instead of flows; the scenario names it from its own folder."""
        name = self.scenario.load.locustfile
        return None if name is None else (Path(self.scenario_file).parent / name).resolve()

    def registration(self, n: int) -> Registration:
        return registration(self.run_id, self.seed, n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The made-up tenant of registration `n` (from 1). `tenant` is the harness's label of it in every row."""

    n: int
    tenant: str
    email: str
    password: str
    name: str
    slug: str
    canary: str
    idempotency_key: str

    def placeholders(self) -> dict[str, str]:
        """The values of a target file's placeholders, as text."""
        return {
            "n": str(self.n),
            "tenant": self.tenant,
            "email": self.email,
            "password": self.password,
            "name": self.name,
            "slug": self.slug,
            "canary": self.canary,
            "idempotency_key": self.idempotency_key,
        }


def registration(run_id: str, seed: int, n: int) -> Registration:
    """Tenant `n` of a run: its own in every run, so that runs against one backend don't meet."""
    draw = dice(seed, run_id, "tenant", n)
    token = f"{draw.getrandbits(40):010x}"
    tenant = f"t{n:05d}"
    return Registration(
        n=n,
        tenant=tenant,
        email=f"{tenant}.{token}@tenants.example.com",
        password=f"Pw-{draw.getrandbits(64):016x}!",
        name=f"Tenant {n} {token}",
        slug=f"{tenant}-{token}",
        canary=f"canary-{tenant}-{token}",
        idempotency_key=f"{run_id}-{n}-{token}",
    )


def mistakes_together(scenario: Scenario, target: Target, text: str) -> list[Mistake]:
    """Everything in the scenario that this target has no name for; `text` is the scenario file's, for the lines."""
    steps = ", ".join(target.steps)
    mistakes: list[tuple[tomlfile.Key, object, str, str]] = []
    if scenario.load.locustfile is None:
        for index, step in enumerate(scenario.load.flow):
            if step not in target.steps:
                mistakes.append((("load", "flow", index), step, "is no step of the target", f"known: {steps}"))
    operations = scenario.load.operations
    for step, weight in operations.steps.items() if operations else ():
        if step not in target.steps:
            mistakes.append(
                (("load", "operations", "steps", step), weight, "is no step of the target", f"known: {steps}")
            )
    for name, value in scenario.settings.items():
        if name not in target.settings:
            known = ", ".join(target.settings) or "none"
            mistakes.append((("settings", name), value, "is no setting of the target", f"known: {known}"))
    for index, check in enumerate(scenario.checks):
        if not _tells_about(target, check):
            table = "[api]" if check == "api_contract" else f"[checks.{check}]"
            mistakes.append((("checks", index), check, "is nothing the target tells about", f"add {table} to it"))
    for name in scenario.gates:
        if remedy := finding_names.trouble(name, target.steps):
            mistakes.append((("gates", name), None, "is no finding", remedy))
    return [
        Mistake(
            key=tomlfile.dotted(key),
            line=tomlfile.line_of(key, text),
            value=None if value is None else repr(value),
            problem=problem,
            remedy=remedy,
        )
        for key, value, problem, remedy in mistakes
    ]


def _tells_about(target: Target, check: CheckName) -> bool:
    told = {
        "isolation": target.checks.isolation,
        "tokens": target.checks.tokens,
        "rate_limit": target.checks.rate_limit,
        "api_contract": target.api,
    }
    return told.get(check, target) is not None


def backend_env(plan: Plan) -> dict[str, str]:
    """The scenario's settings as environment variables, by the target's names for them."""
    return {
        plan.target.settings[name]: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in plan.scenario.settings.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One planned occurrence of a fault: `fault` is its own name (`redis.kill#1`), `name` the catalogue's.

    It begins from the start, with a phase, or else once the load has gone on for `at_ns` and `at_registration` are
    answered, `delay_ns` after that. It lasts `for_ns` where that is said.
    """

    fault: str
    name: str
    plan: FaultPlan
    at_ns: int
    at_registration: int
    delay_ns: int
    for_ns: int | None


def occurrences(scenario: Scenario, seed: int) -> Iterator[Occurrence]:
    """The fault timeline: repeats unrolled, moments and kinds drawn from the seed."""
    counted: dict[str, int] = {}
    for plan in scenario.faults:
        for repeat in range(plan.repeat):
            base = plan.label
            counted[base] = counted.get(base, 0) + 1
            yield _occurrence(plan, repeat, f"{base}#{counted[base]}", seed)


def _occurrence(plan: FaultPlan, repeat: int, label: str, seed: int) -> Occurrence:
    at_s = plan.at_s or 0.0
    if plan.within_s is not None:
        at_s = dice(seed, "fault", label).uniform(*plan.within_s)
    shift_s = repeat * (plan.every_s or 0)
    counts = plan.at_registration is not None
    return Occurrence(
        fault=label,
        name=dice(seed, "which fault", label).choice(plan.names),
        plan=plan,
        at_ns=0 if counts else round((at_s + shift_s) * NS_PER_S),
        at_registration=(plan.at_registration or 0) + repeat * (plan.every_registrations or 0),
        delay_ns=round(shift_s * NS_PER_S) if counts else 0,
        for_ns=None if plan.for_s is None else round(plan.for_s * NS_PER_S),
    )
