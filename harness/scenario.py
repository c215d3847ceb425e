"""A scenario file: the load, the faults, and the gates that a run must pass. Pure: TOML -> frozen values.

Every mistake of a file is told at once (`tomlfile.BadFile`). `Scenario.model_json_schema()` is the published schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from harness import tomlfile
from harness.abort_rule import AbortRule
from harness.fault_plan import FaultName, FaultPlan, PositiveSeconds, Scalar
from harness.gate import Gate, GateBound, Phase
from harness.record.schema import CheckName
from harness.tomlfile import Strict

Size = Literal["short", "full"]
Model = Literal["sequential", "closed", "open"]

Rate = Annotated[float, Field(gt=0, le=100_000)]


def _endpoint(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError("is no HOST:PORT; write e.g. '0.0.0.0:5557'")
    return text


Endpoint = Annotated[str, AfterValidator(_endpoint)]


class Stage(Strict):
    """A stretch of an open arrival schedule: the rate goes linearly from the last stage's to `rate_per_s`."""

    rate_per_s: Annotated[float, Field(ge=0, le=100_000)]
    for_s: PositiveSeconds
    ramp: bool = Field(False, description="go linearly from the last stage's rate; otherwise jump")


class Operations(Strict):
    """The background mix: operations on tenants that are already registered, drawn by Zipf's law over the tenants."""

    steps: dict[str, Annotated[float, Field(gt=0)]] = Field(description="step of the target file -> weight")
    count: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    rate_per_s: Rate | None = None
    users: Annotated[int, Field(ge=1, le=10_000)] = 5
    zipf_exponent: Annotated[float, Field(ge=0, le=5)] = 1.1
    when: Literal["beside", "after"] = Field("beside", description="beside the registrations, or after the last one")

    @model_validator(mode="after")
    def _something_ends_them(self) -> Self:
        if self.when == "after" and self.count is None:
            raise ValueError("nothing says when operations after the registrations end; set count")
        return self


class Load(Strict):
    """How registrations arrive, how many, and what each new tenant does."""

    model: Model = Field("closed", description="sequential: one after another; closed: `users` at once; open: by rate")
    registrations: Annotated[int, Field(ge=1, le=1_000_000)] | None = 20
    duration_s: PositiveSeconds | None = Field(None, description="instead of `registrations`")
    users: Annotated[int, Field(ge=1, le=10_000)] = 5
    wait_s: Annotated[float, Field(ge=0, le=3600)] = Field(0, description="a closed user's pause after each tenant")
    rate_per_s: Rate | None = None
    stages: list[Stage] = Field([])
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    workers: Annotated[int, Field(ge=0, le=64)] = Field(
        0, description="wait for that many `harness worker`s of other machines instead of starting processes here"
    )
    listen: Endpoint = Field("127.0.0.1:5557", description="where those workers find this run's Locust master")
    web: Endpoint | None = Field(None, description="where Locust's own page is served while the load lasts")
    flow: list[str] = Field(["register"], min_length=1, description="steps of the target file, `register` first")
    operations: Operations | None = None
    locustfile: str | None = Field(None, description="an existing Locust file to run instead, beside the scenario file")
    deadline_s: PositiveSeconds = Field(
        120, description="after this the load is stopped and what is left is not started"
    )
    request_timeout_s: PositiveSeconds = 30
    poll_every_ms: Annotated[float, Field(gt=0, le=60_000)] = Field(
        100, description="between two asks whether a registration that was accepted for later is done"
    )
    lag_limit_ms: Annotated[float, Field(gt=0)] = Field(
        250, description="p99 lateness above which the run is generator-limited"
    )

    @property
    def has_master(self) -> bool:
        """Whether a Locust master leads the load; its page needs one too."""
        return bool(self.workers or self.web)

    @property
    def generators(self) -> int:
        """How many workers divide the load, each with a file of rows of its own."""
        return self.workers or self.processes

    @model_validator(mode="before")
    @classmethod
    def _another_end_replaces_the_default_number(cls, tables: Any) -> Any:
        """Where a duration, stages or a Locust file end a load, the default number is not meant besides."""
        ends = {"duration_s", "stages", "locustfile"}
        if isinstance(tables, Mapping) and "registrations" not in tables and ends & set(tables):
            return {**tables, "registrations": None}
        return tables

    @model_validator(mode="after")
    def _arrival_is_said_once(self) -> Self:
        if not self.flow[0].startswith("register") and self.locustfile is None:
            raise ValueError("flow must begin with 'register' (or a step 'register_...'); put it first")
        if self.model == "sequential" and self.generators > 1:
            raise ValueError("sequential is one registration after another; set processes = 1 or model = 'closed'")
        if self.model == "closed" and self.locustfile is None and self.users < self.generators:
            raise ValueError(f"{self.generators} workers have only {self.users} users; raise users or lower processes")
        if self.model == "open" and self.rate_per_s is None and not self.stages:
            raise ValueError("an open model needs a rate; set rate_per_s or [[load.stages]]")
        if self.rate_per_s is not None and self.stages:
            raise ValueError("rate_per_s and stages exclude each other; keep one")
        if self.model != "open" and (self.rate_per_s is not None or self.stages):
            raise ValueError(f"a rate has no meaning in a {self.model} model; set model = 'open' or remove the rate")
        if self.registrations is None and self.duration_s is None and not self.stages and self.locustfile is None:
            raise ValueError("nothing says when the load ends; set registrations or duration_s")
        return self


class HealthChecks(Strict):
    """Health checks beside the load: at every k-th registration, by time, or both."""

    every_registrations: Annotated[int, Field(ge=1)] | None = 5
    every_s: PositiveSeconds | None = None


class Observe(Strict):
    """The observers' pace, and how long the system is left alone before the last samples count."""

    rate_hz: Annotated[float, Field(gt=0, le=50)] = 4
    settle_s: Annotated[float, Field(ge=0, le=3600)] = 1.0
    recover_within_s: PositiveSeconds = Field(20, description="for the steady state to hold again after a healing")
    probes: list[Literal["backend", "ready", "postgres", "redis"]] = Field(
        ["backend", "postgres", "redis"],
        description="the steady state: these must hold before the first fault and again after each healing",
    )


def _abort_rule(text: str) -> str:
    AbortRule.parsed(text)
    return text


AbortText = Annotated[str, AfterValidator(_abort_rule)]


class Abort(Strict):
    """Ends the load early: when a rule holds, or unless it does. See `harness.abort_rule` for what a rule may say.

    In a phase (before the first fault, during faults, after the last was healed) only that phase's requests count, and
    a rule is asked once the phase has lasted for the rule's window.
    """

    when: AbortText | None = Field(None, description="e.g. 'failed > 50% for 5s'")
    unless: AbortText | None = Field(None, description="e.g. 'p95(register) < 2s over 10s'")
    phase: Phase = "all"

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if (self.when is None) == (self.unless is None):
            raise ValueError("needs one condition; set either when or unless")
        return self

    @property
    def rule(self) -> AbortRule:
        return AbortRule.parsed(self.when or self.unless or "")


class Scenario(Strict):
    """A whole scenario file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9\-]*$")]
    proves: Annotated[str, Field(min_length=1)]
    failure_means: str = ""
    load: Load = Load()
    settings: dict[str, Scalar] = Field({}, description="knobs of the target, by the names of its [settings]")
    faults: list[FaultPlan] = Field([])
    health: HealthChecks = HealthChecks()
    observe: Observe = Observe()
    postgres_connections: Annotated[int, Field(ge=20, le=10_000)] | None = Field(
        None, description="Postgres's max_connections, where the harness starts it"
    )
    checks: list[CheckName] = Field([], description="asked after the load, of tenants that the load registered")
    checks_during: list[FaultName] = Field(
        [], description="faults that tokens and rate limits are checked under too, each injected for it and healed"
    )
    abort: list[Abort] = Field([])
    gates: dict[str, GateBound] = Field({}, description="finding -> bound; the strict defaults hold besides")

    @model_validator(mode="after")
    def _each_fault_follows_an_earlier_one(self) -> Self:
        earlier: set[str] = set()
        for index, plan in enumerate(self.faults):
            if plan.after is not None and plan.after not in earlier:
                known = ", ".join(sorted(earlier)) or "none"
                raise ValueError(f"faults[{index}].after names no earlier fault: '{plan.after}'; known: {known}")
            earlier.add(plan.label)
        return self

    def all_gates(self) -> list[Gate]:
        """The scenario's gates, and the strict defaults that it does not write over."""
        defaults = {name: bound for name, bound in DEFAULT_GATES.items() if name not in self.gates}
        return [
            *(Gate.of(name, bound, by_default=True) for name, bound in defaults.items()),
            *(Gate.of(name, bound) for name, bound in self.gates.items()),
        ]


# What a backend without faults shows, whatever the scenario: docs/findings.md says how each is judged.
DEFAULT_GATES: dict[str, int] = {
    "leaks": 0,
    "ledger_mismatch": 0,
    "cache_over_limit": 0,
    "unaccounted_connections": 0,
    "connection_growth_per_registration": 0,
    "redis_clients_growth": 0,
    "descriptor_growth": 0,
    "thread_growth": 0,
    "memory_growth": 0,
    "registrations_unaccounted": 0,
    "lost": 0,
    "orphans": 0,
    "ghosts": 0,
    "duplicates": 0,
    "corrupted": 0,
    "own_data_wrong": 0,
    "crashes": 0,
    "health_wrong": 0,
    "event_loop_blocked": 0,
    "isolation_breaches": 0,
    "token_breaches": 0,
    "rate_limit_bypass": 0,
    "redis_backoff": 0,
    "log_spam": 0,
    "redis_fallback": 0,
    "service_during_fault": 0,
    "stale_pool": 0,
    "slots_exhausted": 0,
    "api_contract": 0,
    "error_details": 0,
}


def load(path: Path, *, size: Size | None = None, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Read a scenario file. `size` applies its `[sizes.<size>]` table, `overrides` (nested) come last.

    Raises `tomlfile.BadFile` with every mistake, those of the sizes that are not asked for included.
    """
    tables = tomlfile.read_tables(path)
    sizes = tables.pop("sizes", {})
    mistakes = list(_of_sizes(path, tables, sizes))
    chosen = sizes.get(size) if isinstance(sizes, Mapping) else None
    laid = tomlfile.merged(tables, chosen) if isinstance(chosen, Mapping) else tables
    try:
        found = tomlfile.parse(Scenario, tomlfile.merged(laid, overrides or {}), path)
    except tomlfile.BadFile as bad:
        mistakes = [*bad.mistakes, *(mistake for mistake in mistakes if mistake not in bad.mistakes)]
    if mistakes:
        raise tomlfile.BadFile(path, mistakes)
    return found


def _of_sizes(path: Path, tables: Mapping[str, Any], sizes: Any) -> Iterator[tomlfile.Mistake]:
    """What is wrong with `[sizes]`: names that are none, and what can't be laid on the rest of the file."""
    if not isinstance(sizes, Mapping):
        yield tomlfile.Mistake(key="sizes", problem="is no table", remedy="write [sizes.short] and [sizes.full]")
        return
    for name, over in sizes.items():
        if name not in get_args(Size) or not isinstance(over, Mapping):
            known = ", ".join(f"[sizes.{size}]" for size in get_args(Size))
            yield tomlfile.Mistake(key=f"sizes.{name}", problem="is no size", remedy=f"known: {known}")
            continue
        try:
            tomlfile.parse(Scenario, tomlfile.merged(tables, over), path)
        except tomlfile.BadFile as bad:
            yield from bad.mistakes
