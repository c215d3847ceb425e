"""A target file: how to start, reach and read one multi-tenant backend. Pure: TOML -> frozen values.

Everything the harness knows about a backend stands here. Texts may hold placeholders in braces:

- `[start]` command, env: `{python}` `{host}` `{port}` `{postgres_url}` `{postgres_host}` `{postgres_port}`
  `{postgres_user}` `{postgres_password}` `{control_database}` `{redis_url}` `{redis_host}` `{redis_port}`;
- steps (path, headers, body, writes): `{n}` `{tenant}` `{email}` `{password}` `{name}` `{slug}` `{canary}`
  `{idempotency_key}`, and what earlier steps of the tenant saved;
- `[checks]` requests: the same, and `{other_tenant_id}` and so on for the values of the tenant that is asked about;
- `[database]` tenant: `{tenant_id}`, `{tenant_id_hex}` (without dashes), `{slug}`.

Values are found in answers with JMESPath expressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, Field, JsonValue, model_validator

from harness import tomlfile
from harness.tomlfile import Strict

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
IDENTITY = frozenset({"n", "tenant", "email", "password", "name", "slug", "canary", "idempotency_key"})


def _expression(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        raise ValueError(f"is no JMESPath expression: {error}; see jmespath.org") from None
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}; mend it") from None
    return text


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("must begin with '/'; write the path on the backend, without host")
    return text


Expression = Annotated[str, AfterValidator(_expression)]
Pattern = Annotated[str, AfterValidator(_pattern)]
UrlPath = Annotated[str, AfterValidator(_path)]
Status = Annotated[int, Field(ge=100, le=599)]


class Start(Strict):
    """How the harness starts the backend. Left out where it runs already (`--stack external`)."""

    command: Annotated[list[str], Field(min_length=1)]
    cwd: str = Field(".", description="relative to the target file")
    env: dict[str, str] = Field({})
    ready: UrlPath
    ready_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30
    stop_timeout_s: Annotated[float, Field(gt=0, le=600)] = 15
    dockerfile: str | None = Field(None, description="relative to the target file; for the docker stack")
    container_port: Annotated[int, Field(ge=1, le=65535)] = 8000


class Step(Strict):
    """One request of a tenant's flow."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: UrlPath
    headers: dict[str, str] = Field({})
    body: JsonValue = Field(None, description="sent as JSON, placeholders filled in")
    ok: list[Status] = Field([200, 201, 204], description="statuses that acknowledge the step")
    save: dict[str, Expression] = Field({}, description="names for later placeholders, from the answer")
    writes: str | None = Field(None, description="the value that the tenant owns once this step is acknowledged")
    reads: Expression | None = Field(None, description="the values that this step shows the tenant of its own")
    poll: str | None = Field(None, description="a step to repeat until it acknowledges, after a 202")
    until: Expression | None = Field(None, description="of a polled step: true once its answer acknowledges")
    fails: Expression | None = Field(None, description="of a polled step: true once its answer tells of failure")


class Statistics(Strict):
    """The claimed ledger: where the target tells its connection statistics. Leave the table out if it has none."""

    path: UrlPath
    headers: dict[str, str] = Field({})
    created: Expression
    cached: Expression
    closed: Expression
    evicted: Expression | None = None
    failed_to_close: Expression | None = None
    potential_leaks: Expression | None = None
    connections_open: Expression | None = Field(None, description="connections that all clients together hold")
    cache_limit: Expression | None = None
    redis_state: Expression | None = None
    redis_attempts: Expression | None = None
    tenants: Expression | None = Field(
        None, description="a list of objects with tenant_id, connections, accesses, idle_s"
    )


class Health(Strict):
    """Health endpoints; `check` is asked beside the load, `dependencies` must tell when one is away."""

    check: UrlPath
    live: UrlPath | None = None
    ready: UrlPath | None = None
    dependencies: UrlPath | None = None


class Databases(Strict):
    """How tenants map to databases."""

    control: str = Field("control", description="the control database's name")
    tenant: str = Field(description="a tenant's database name, e.g. 'tenant_{tenant_id_hex}'")
    tenant_pattern: Pattern = Field(description="matches tenants' databases and no others")
    tenants_query: str | None = Field(
        None, description="on the control database: rows with tenant_id, email, database, status"
    )
    active_status: str = "active"
    tables: list[str] = Field([], description="tables that a migrated tenant database has")


class FinalRead(Strict):
    """The steps of the final read: log in as the tenant, then read its own data."""

    login: str = "login"
    read: str | None = None


class RedisContract(Strict):
    """What the target promises of Redis."""

    reconnects: Annotated[int, Field(ge=0)] | None = None
    backoff_ms: list[Annotated[float, Field(ge=0)]] = Field([])
    backoff_tolerance: Annotated[float, Field(gt=0, le=10)] = 0.5
    announcement: Pattern | None = Field(None, description="the log line that tells of fallback")
    permanent_fallback: bool = True
    fallback_state: str = Field("fallback", description="what [statistics] redis_state says once Redis is given up")


class IsolationChecks(Strict):
    """What one tenant asks about another. Every request is made by every checked tenant about every one, itself too."""

    tenants: Annotated[int, Field(ge=2, le=10)] = 3
    write: str = Field(description="the step by which each tenant writes its canary first")
    requests: Annotated[dict[str, Step], Field(min_length=1)]


class TokenChecks(Strict):
    """How tokens are had, used and revoked. What is forged is made from tokens that the target issued itself."""

    request: str = Field(description="the step that is tried with each token; it reads the tenant's own data")
    login: str = "login"
    logout: str | None = Field(None, description="the step that revokes the token")
    token: str = Field("token", description="the placeholder that `login` saves the token under")
    refresh_token: str | None = Field(None, description="the placeholder of the refresh token, which opens nothing")
    tenant_claim: str | None = Field(None, description="the JWT claim that names the tenant")
    expiry_wait_s: Annotated[float, Field(ge=0, le=120)] = Field(
        15, description="wait at most that long for a token to expire; a scenario may set a short lifetime"
    )


class RateLimitChecks(Strict):
    """A request that is limited for one subject. It is repeated for a made-up identity that never registered."""

    request: Step
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(description="how many are let through in one window")
    limited: list[Status] = Field([429], description="statuses that say so")


class Checks(Strict):
    """What the checks after the load need to know."""

    isolation: IsolationChecks | None = None
    tokens: TokenChecks | None = None
    rate_limit: RateLimitChecks | None = None


class Api(Strict):
    """The API's contract: who the tenant is comes from the token, no path names one, no answer tells of the inside."""

    openapi: UrlPath | None = Field(None, description="where the OpenAPI document is served")
    prefix: UrlPath = Field("/", description="only operations below it are judged")
    tenant_field: str | None = Field(None, description="must be at the top of every answer, e.g. tenantId")
    tenant_parameters: Pattern = Field(
        r"(?i)^(tenant|church|org|organi[sz]ation|account|customer)_?(id|uuid|slug)$",
        description="path parameters that name a tenant",
    )
    steps: list[str] = Field([], description="steps whose answers are judged, in an order that a tenant can do them in")
    forbidden: list[Pattern] = Field([], description="what may stand in no answer, beside the general rules")


class Target(Strict):
    """A whole target file."""

    name: Annotated[str, Field(min_length=1)]
    start: Start | None = None
    settings: dict[str, str] = Field({}, description="a scenario's [settings] name -> environment variable")
    database: Databases
    steps: dict[str, Step]
    operations: list[str] = Field([], description="steps fit for the background mix")
    final_read: FinalRead = FinalRead()
    statistics: Statistics | None = None
    health: Health
    redis: RedisContract = RedisContract()
    checks: Checks = Checks()
    api: Api | None = None
    prove: str | None = Field(None, description="planted defects for `harness prove`, relative to the target file")

    @model_validator(mode="after")
    def _steps_hold_together(self) -> Self:
        if "register" not in self.steps:
            raise ValueError("steps.register is missing; describe how a tenant signs up")
        if "tenant_id" not in self.steps["register"].save:
            raise ValueError("steps.register.save.tenant_id is missing; say where the answer tells the tenant's id")
        known = IDENTITY | {name for step in self.steps.values() for name in step.save}
        for name, step in self.steps.items():
            if step.poll is not None and step.poll not in self.steps:
                raise ValueError(f"steps.{name}.poll names no step: '{step.poll}'; known: {', '.join(self.steps)}")
            if unknown := sorted(placeholders(step) - known):
                raise ValueError(f"steps.{name} uses unknown placeholders {unknown}; save them in an earlier step")
        for name, request in self._check_requests():
            if unknown := sorted(placeholders(request) - known - {f"other_{each}" for each in known}):
                raise ValueError(f"{name} uses unknown placeholders {unknown}; save them in a step")
        named = [*self.operations, self.final_read.login, *filter(None, [self.final_read.read]), *self._check_steps()]
        if missing := [name for name in named if name not in self.steps]:
            raise ValueError(f"no such steps: {missing}; known: {', '.join(self.steps)}")
        return self

    def _check_requests(self) -> list[tuple[str, Step]]:
        isolation, limit = self.checks.isolation, self.checks.rate_limit
        found = isolation.requests.items() if isolation else ()
        named = [(f"checks.isolation.requests.{name}", request) for name, request in found]
        return [*named, *([("checks.rate_limit.request", limit.request)] if limit else [])]

    def _check_steps(self) -> list[str]:
        tokens = self.checks.tokens
        return [
            *([self.checks.isolation.write] if self.checks.isolation else []),
            *([tokens.request, tokens.login, *filter(None, [tokens.logout])] if tokens else []),
            *(self.api.steps if self.api else []),
        ]


def placeholders(step: Step) -> set[str]:
    """The names in braces of a step's path, headers, body and `writes`."""
    texts = [step.path, *step.headers.values(), step.writes or ""]
    return {name for text in [*texts, *_texts(step.body)] for name in PLACEHOLDER.findall(text)}


def _texts(value: JsonValue) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    return []


def filled(text: str, values: dict[str, str]) -> str:
    """`text` with each `{name}` that `values` knows replaced; others stay as they are."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def filled_json(value: JsonValue, values: dict[str, str]) -> JsonValue:
    """The JSON value with every text in it filled."""
    if isinstance(value, str):
        return filled(value, values)
    if isinstance(value, list):
        return [filled_json(item, values) for item in value]
    if isinstance(value, dict):
        return {key: filled_json(item, values) for key, item in value.items()}
    return value


def load(path: Path, over: Mapping[str, Any] | None = None) -> Target:
    """Read a target file, with the tables of `over` laid on it. Raises `tomlfile.BadFile` with every mistake."""
    return tomlfile.parse(Target, tomlfile.merged(tomlfile.read_tables(path), over or {}), path)
