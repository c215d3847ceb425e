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
from harness.gate import Gate, GateBound, Phase
from harness.record.schema import CheckName
from harness.tomlfile import Strict

Size = Literal["short", "full"]
Model = Literal["sequential", "closed", "open"]
Scalar = str | int | float | bool

PositiveSeconds = Annotated[float, Field(gt=0, le=86_400)]
Rate = Annotated[float, Field(gt=0, le=100_000)]
FaultName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z0-9_]+$")]


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
        if self.model == "sequential" and self.processes > 1:
            raise ValueError("sequential is one registration after another; set processes = 1 or model = 'closed'")
        if self.model == "closed" and self.locustfile is None and self.users < self.processes:
            raise ValueError(f"{self.processes} processes have only {self.users} users; raise users or lower processes")
        if self.model == "open" and self.rate_per_s is None and not self.stages:
            raise ValueError("an open model needs a rate; set rate_per_s or [[load.stages]]")
        if self.rate_per_s is not None and self.stages:
            raise ValueError("rate_per_s and stages exclude each other; keep one")
        if self.model != "open" and (self.rate_per_s is not None or self.stages):
            raise ValueError(f"a rate has no meaning in a {self.model} model; set model = 'open' or remove the rate")
        if self.registrations is None and self.duration_s is None and not self.stages and self.locustfile is None:
            raise ValueError("nothing says when the load ends; set registrations or duration_s")
        return self


class FaultPlan(Strict):
    """One fault, once or repeated: when it begins, how long it stays. Exactly one beginning, at most one end.

    Without an end it stays as long as the load does.
    """

    fault: FaultName | None = Field(None, description="a name of `harness faults`")
    any_of: list[FaultName] = Field([], description="instead of `fault`: each occurrence is one drawn from the seed")
    id: str | None = Field(None, description="a name of its own where a scenario uses a fault twice")
    from_start: bool = Field(False, description="in force before the backend starts")
    at_phase: Literal["steady", "load", "settle"] | None = Field(
        None, description="steady: before the load, once the steady state holds; settle: after the load"
    )
    at_s: Annotated[float, Field(ge=0)] | None = Field(None, description="seconds after the load began")
    at_registration: Annotated[int, Field(ge=0)] | None = Field(None, description="once that many are answered")
    within_s: tuple[float, float] | None = Field(None, description="at a moment drawn from the seed")
    on_statement: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="from its beginning on, wait until Postgres executes a statement that starts so"
    )
    for_s: PositiveSeconds | None = None
    until_registration: Annotated[int, Field(ge=1)] | None = None
    until_load_ends: bool = False
    until_end: bool = Field(False, description="stays through final read; healed only when everything is over")
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    every_s: PositiveSeconds | None = Field(None, description="time between the beginnings of repeated occurrences")
    every_registrations: Annotated[int, Field(ge=1)] | None = Field(
        None, description="registrations between the beginnings of repeated occurrences"
    )
    options: dict[str, Scalar] = Field({}, description="the fault's own parameters, see `harness faults`")

    @model_validator(mode="after")
    def _one_beginning_one_end(self) -> Self:
        if (self.fault is None) == (not self.any_of):
            raise ValueError("names no fault, or two ways to choose one; set fault or any_of")
        if self.any_of and self.options:
            raise ValueError("options have no meaning for a fault that is drawn; remove them or set fault")
        begins = [
            self.from_start,
            self.at_phase is not None,
            self.at_s is not None,
            self.at_registration is not None,
            self.within_s is not None,
        ]
        if sum(begins) != 1:
            raise ValueError("needs one beginning; set one of from_start, at_phase, at_s, at_registration, within_s")
        if self.within_s is not None and not 0 <= self.within_s[0] <= self.within_s[1]:
            raise ValueError("within_s is no span of time; write [earliest, latest], in seconds")
        ends = [self.for_s is not None, self.until_registration is not None, self.until_load_ends, self.until_end]
        if sum(ends) > 1:
            raise ValueError("has more than one end; keep one of for_s, until_registration, until_load_ends, until_end")
        self._distance_is_said_once()
        if self.at_phase == "settle" and self.for_s is None and not self.until_end:
            raise ValueError("begins after the load and has no end; set for_s or until_end")
        if self.on_statement and (self.from_start or self.at_phase == "settle"):
            raise ValueError("on_statement needs the load; begin with at_phase, at_s, at_registration or within_s")
        return self

    def _distance_is_said_once(self) -> None:
        if self.repeat > 1 and (self.every_s is None) == (self.every_registrations is None):
            raise ValueError("is repeated without a distance, or with two; set every_s or every_registrations")
        if self.every_registrations is not None and self.at_registration is None:
            raise ValueError("every_registrations needs a first one; set at_registration")
        if self.repeat > 1 and (self.from_start or self.at_phase in ("steady", "settle")):
            raise ValueError("is repeated outside the load; begin with at_s, at_registration, within_s or at_phase")

    @property
    def names(self) -> list[str]:
        """The faults that an occurrence of this may be."""
        return [self.fault] if self.fault else self.any_of


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
