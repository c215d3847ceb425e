"""What those who run the backend see: health, statistics, metrics, logs, settings, and the pages that tell of them."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tenant_backend import settings
from tenant_backend.failpoints import Failpoints
from tenant_backend.registration.flow import STEPS

from harness.clock import wait_until
from tests.backend.edge import Edge
from tests.backend.world import Api, World

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "fixtures" / "backend" / "tenant_backend"


def test_the_settings_table_is_what_the_code_reads() -> None:
    """docs/reference-backend.md lists every variable and its default; `python -m tenant_backend.settings` prints it."""
    page = (DOCS / "reference-backend.md").read_text(encoding="utf-8")
    assert page.partition("<!-- settings -->\n")[2] == settings.table()


def test_wrong_settings_are_told_all_at_once() -> None:
    """Unknown, mistyped and impossible values, each named, in one message."""
    wrong = {
        "BACKEND_CACHE_LIMT": "5",
        "BACKEND_PORT": "http",
        "BACKEND_PROVISIONING": "magic",
        "BACKEND_JWT_SECRET": "x",
    }
    with pytest.raises(settings.SettingsError) as told:
        settings.from_environment(wrong)
    assert all(name in str(told.value) for name in wrong)


@pytest.mark.parametrize("spec", ["create_admin", "create_admin=explode", "create_adnim=kill", "reserve=error/0"])
def test_a_failpoint_that_means_nothing_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="BACKEND_FAILPOINTS"):
        Failpoints(spec, steps=STEPS)


async def test_a_failpoint_can_fail_every_nth(world: World) -> None:
    """`step=error/2` fails the second, the fourth, and so on."""
    async with world.served(failpoints="create_admin=error/2") as (api, _):
        assert [(await api.register()).status_code for _ in range(4)] == [201, 500, 201, 500]


async def test_health_says_of_each_dependency_how_it_is(world: World) -> None:
    """Up with a latency; without Redis degraded and 200; without Postgres down and 503, alive and not ready."""
    async with Edge.to(world.servers.postgres.port) as postgres, Edge.to(world.servers.redis.port) as redis:
        edges = {
            "database_url": world.servers.postgres_url(world.control, postgres.port),
            "redis_url": world.servers.redis_url(redis.port),
        }
        async with world.served(**edges) as (api, backend):
            await wait_until(lambda: backend.link.state == "connected", what="Redis", timeout_s=10)
            told = (await api.http.get("/health")).json()
            assert told["status"] == "ok"
            assert all(each["state"] == "up" and each["latencyMs"] > 0 for each in told["dependencies"])
            cut(redis)
            await wait_until(lambda: backend.link.state == "fallback", what="the fallback", timeout_s=10)
            assert await health(api) == (200, "degraded", {"postgres": "up", "redis": "fallback"})
            cut(postgres)
            assert (await health(api))[:2] == (503, "down")
            assert (await api.http.get("/health/ready")).status_code == 503
            assert (await api.http.get("/health/live")).status_code == 200


async def test_a_frozen_postgres_is_down_and_holds_no_health_check_up(world: World) -> None:
    """A Postgres that takes and never answers: the check ends in its bound."""
    async with Edge.to(world.servers.postgres.port) as edge:
        url = world.servers.postgres_url(world.control, edge.port)
        async with world.served(database_url=url, statement_timeout_s=1, disconnect_timeout_s=0.5) as (api, _):
            edge.freeze()
            async with asyncio.timeout(20):
                assert (await health(api))[0] == 503
            edge.thaw()
            await wait_until(lambda: is_ok(api), what="health to be ok again", timeout_s=20)


async def test_it_waits_for_a_postgres_that_comes_later(world: World) -> None:
    """Started before Postgres it is alive and not ready, then ready; nothing has to be restarted."""
    async with Edge.to(world.servers.postgres.port) as edge:
        edge.refuse = True
        url = world.servers.postgres_url(world.control, edge.port)
        async with world.starting(database_url=url) as (api, _):
            assert (await api.http.get("/health/live")).status_code == 200
            assert (await api.http.get("/health/ready")).status_code == 503
            refused = await api.register()
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            edge.refuse = False
            await wait_until(lambda: is_ok(api), what="the backend to be ready", timeout_s=20)
            assert (await api.register()).status_code == 201


async def test_metrics_say_what_the_statistics_say(world: World) -> None:
    """The ledger, Redis, registrations by outcome and step, requests by declared route and status."""
    async with world.served(cache_limit=2) as (api, backend):
        tenants = [await api.tenant() for _ in range(3)]
        assert (await api.register(slug="Not A Slug")).status_code == 422
        await tenants[0].branches()
        await wait_until(lambda: not backend.clients._closing_tasks, what="closings to end", timeout_s=10)
        told = (await api.statistics())["connections"]
        seen = await samples(api)
        assert seen[("tenant_clients", ("created",))] == told["created"]
        assert seen[("tenant_clients_potential_leaks", ())] == told["potentialLeaks"] == 0
        assert seen[("registrations_total", ("ok",))] == 3
        assert seen[("registrations_total", ("refused",))] == 1
        assert seen[("registration_step_seconds_count", ("create_database",))] == 3
        assert seen[("http_requests_total", ("POST", "/api/v2/registrations", "201"))] == 3
        assert seen[("http_requests_total", ("GET", "/api/v2/branches", "200"))] == 1


async def test_statistics_tell_of_every_cached_tenant(world: World) -> None:
    """Cached since, last access, accesses, idle time and connections of each."""
    async with world.served() as (api, _):
        tenant = await api.tenant()
        await tenant.add_branch("North")
        [told] = (await api.statistics())["tenants"]
        assert (told["tenantId"], told["connections"], told["inUse"]) == (tenant.tenant_id, 1, 0)
        assert told["accesses"] >= 2
        assert 0 <= told["idleS"] <= told["lastAccessS"] <= told["cachedSinceS"]


async def test_a_line_in_the_log_says_whose_request_it_was(world: World) -> None:
    """What goes wrong is logged as JSON with the request's id, which the answer has too, and the tenant."""
    async with world.process(failpoints="create_admin=error") as process:
        answer = await process.api.register()
        lines = [json.loads(line) for line in process.log.read_text().splitlines()]
        [failed] = [line for line in lines if line["event"] == "registration_failed"]
        assert failed["requestId"] == answer.headers["x-request-id"] == answer.json()["requestId"]
        assert re.fullmatch(r"[0-9a-f-]{36}", failed["tenantId"])


def test_the_operations_page_names_only_what_exists() -> None:
    """Every metric, setting, log event and problem code of docs/operations.md is in the code."""
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    source = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    for name in set(re.findall(r"`(BACKEND_[A-Z0-9_]+)", page)):
        assert name.removeprefix("BACKEND_").lower() in settings.Settings.__dataclass_fields__, name
    for name in set(re.findall(r"`([a-z]+(?:_[a-z]+)+)[`{]", page)) - {"pg_stat_activity"}:
        assert f'"{name.removesuffix("_total")}"' in source or name in source, name


@pytest.mark.parametrize("mode", ["template", "warm"])
async def test_a_restart_finds_the_latest_tenants_clients_open(world: World, mode: str) -> None:
    """With pre-warming the first request of a tenant opens nothing."""
    async with world.served(provisioning=mode) as (api, _):
        tenants = [await api.tenant() for _ in range(3)]
    async with world.served(provisioning=mode, prewarm_tenants=2, warm_size=0) as (api, backend):
        await wait_until(lambda: backend.clients.statistics().cached == 2, what="two clients", timeout_s=10)
        tenants[2].api = api
        assert await tenants[2].branches() == []
        assert (await api.statistics())["connections"]["created"] == 2


def cut(edge: Edge) -> None:
    edge.refuse = True
    edge.cut()


async def health(api: Api) -> tuple[int, str, dict[str, str]]:
    answer = await api.http.get("/health")
    told = answer.json()
    return answer.status_code, told["status"], {each["name"]: each["state"] for each in told["dependencies"]}


async def is_ok(api: Api) -> bool:
    return (await health(api))[0] == 200


async def samples(api: Api) -> dict[tuple[str, tuple[str, ...]], float]:
    """Metric name and label values -> value."""
    text = (await api.http.get("/metrics")).text
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
