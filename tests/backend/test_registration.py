"""Registrations: unique, whole or not at all, whichever step fails or is killed, and bounded."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from tenant_backend.backend import Backend
from tenant_backend.postgres import schema
from tenant_backend.provisioning.modes import Warm
from tenant_backend.registration.flow import STEPS

from harness.clock import wait_until
from tests.backend.edge import Edge
from tests.backend.world import World, registration

MODES = ("direct", "template", "warm")


def steps_of(mode: str) -> list[str]:
    return [step for step in STEPS if step != "migrate" or mode == "direct"]


@pytest.mark.parametrize("mode", MODES)
async def test_every_mode_makes_a_whole_tenant(world: World, mode: str) -> None:
    """However the database comes to be, it is migrated, the admin can sign in, and work is possible at once."""
    async with world.served(provisioning=mode) as (api, _):
        tenants = await asyncio.gather(*(api.tenant() for _ in range(5)))
        for tenant in tenants:
            assert (await tenant.add_branch(f"of {tenant.tenant_id}")).status_code == 201
            assert await tenant.branches() == [f"of {tenant.tenant_id}"]
            assert (await api.login(tenant.email)).json()["tenantId"] == tenant.tenant_id
        assert await world.databases() == {tenant.database for tenant in tenants}
        assert {row["status"] for row in await world.tenants()} == {"active"}


async def test_one_address_registered_twenty_times_at_once(world: World) -> None:
    """One of them is the tenant, the others are told 409, and there is one database."""
    async with world.served() as (api, _):
        body = registration()
        answers = await asyncio.gather(*(api.http.post("/api/v2/registrations", json=body) for _ in range(20)))
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}
        assert len(await world.databases()) == len(await world.tenants()) == 1


async def test_the_address_is_one_in_any_spelling(world: World) -> None:
    """Case does not make another address."""
    async with world.served() as (api, _):
        tenant = await api.tenant()
        assert (await api.register(email=tenant.email.upper())).status_code == 409
        assert (await api.login(tenant.email.upper())).status_code == 200


async def test_one_slug_at_once(world: World) -> None:
    """An asked-for slug goes to one; slugs made from equal names are made different."""
    async with world.served() as (api, _):
        asked = await asyncio.gather(*(api.register(slug="st-marys") for _ in range(5)))
        assert Counter(answer.status_code for answer in asked) == {201: 1, 409: 4}
        made = await asyncio.gather(*(api.register(churchName="St Mary's") for _ in range(5)))
        assert len({answer.json()["slug"] for answer in made}) == 5


@pytest.mark.parametrize(("mode", "step"), [(mode, step) for mode in MODES for step in steps_of(mode)])
async def test_a_step_that_fails_leaves_nothing(world: World, mode: str, step: str) -> None:
    """Whichever step fails, no database, no row and no client stay, and the address can register again."""
    async with world.served(provisioning=mode, failpoints=f"{step}=error") as (api, _):
        body = registration()
        failed = await api.http.post("/api/v2/registrations", json=body)
        assert failed.status_code == 500
        assert await world.nothing_left()
        told = (await api.statistics())["connections"]
        assert told["potentialLeaks"] == 0
        # Clients of tenants to come are opened ahead.
        assert told["cached"] <= (len(await world.spares()) if mode == "warm" else 0)
    async with world.served(provisioning=mode) as (api, _):
        assert (await api.http.post("/api/v2/registrations", json=body)).status_code == 201


# Every step of the longest way, and those that the others do differently.
KILLED_AFTER = [
    *(("direct", step) for step in STEPS),
    ("template", "create_database"),
    ("warm", "reserve"),
    ("warm", "create_database"),
]


@pytest.mark.parametrize(("mode", "step"), KILLED_AFTER)
async def test_killed_after_any_step(world: World, mode: str, step: str) -> None:
    """The process dies by SIGKILL after a step; started again it has taken all back, or kept the tenant whole."""
    async with world.process(provisioning=mode, failpoints=f"{step}=kill") as process:
        body = registration()
        with pytest.raises(httpx.TransportError):
            await process.http.post("/api/v2/registrations", json=body)
        await wait_until(process.has_ended, what="the backend to be dead", timeout_s=10)
        assert process.running is not None
        assert process.running.returncode == -signal.SIGKILL
        process.environment["BACKEND_FAILPOINTS"] = ""
        await process.start()
        if step in {"activate", "issue_tokens"}:
            signed_in = await process.api.login(str(body["email"]))
            assert signed_in.status_code == 200
            assert len(await world.databases()) == len(await world.tenants()) == 1
        else:
            assert await world.nothing_left()
            assert (await process.http.post("/api/v2/registrations", json=body)).status_code == 201
        await wait_until(lambda: spares_are_recorded(world), what="every spare to have a record", timeout_s=10)


async def spares_are_recorded(world: World) -> bool:
    return not await world.databases() - {row["database"] for row in await world.tenants()}


async def test_postgres_cut_off_in_the_middle_leaves_nothing(world: World) -> None:
    """All connections are cut while ten registrations run: those not acknowledged leave nothing."""
    async with Edge.to(world.servers.postgres.port) as edge:
        url = world.servers.postgres_url(world.control, edge.port)
        async with world.served(database_url=url) as (api, backend):
            bodies = [registration() for _ in range(10)]
            posts = [asyncio.create_task(api.http.post("/api/v2/registrations", json=body)) for body in bodies]
            await wait_until(lambda: backend.admission.in_flight >= 5, what="registrations in flight", timeout_s=5)
            await wait_until(world.databases, what="the first database", timeout_s=5, interval_s=0.001)
            edge.refuse = True
            edge.cut()
            answers = await asyncio.gather(*posts)
            assert {answer.status_code for answer in answers} <= {201, 503}
            edge.refuse = False
            kept = {"tenant_" + a.json()["tenantId"].replace("-", "") for a in answers if a.status_code == 201}
            await wait_until(lambda: same(world, kept), what="only the acknowledged to stay", timeout_s=20)


async def same(world: World, kept: set[str]) -> bool:
    return await world.databases() == kept == {row["database"] for row in await world.tenants()}


async def test_a_late_create_of_a_dead_process_can_not_outrun_the_clean_up(world: World) -> None:
    """While another session holds the tenant's lock the reconciler leaves it alone, and takes it back afterwards."""
    async with world.served(reconcile_s=0.1):
        tenant_id = uuid4()
        await world.sql.execute("SELECT pg_advisory_lock($1)", schema.lock_key(tenant_id.hex))
        await world.sql.execute(
            "INSERT INTO tenants (tenant_id, email, slug, church_name, database, status, schema_version, instance,"
            " lease_until)"
            " VALUES ($1, 'x@example.com', 'x', 'x', $2, 'provisioning', 'v', 'other', now() - '1s'::interval)",
            tenant_id,
            schema.tenant_database(tenant_id),
        )
        lock = world.sql
        world.sql = await asyncpg.connect(world.servers.postgres_url(world.control), ssl=False)
        await lock.execute(f"CREATE DATABASE {schema.tenant_database(tenant_id)} TEMPLATE template0")
        assert len(await world.tenants()) == 1
        await lock.execute("SELECT pg_advisory_unlock_all()")
        await wait_until(world.nothing_left, what="the tenant to be taken back", timeout_s=10)
        await lock.close()


async def test_the_reconciler_touches_nothing_that_no_record_names(world: World) -> None:
    """A database that looks like a tenant's but stands in no record is not the backend's to drop."""
    stranger = f"tenant_{'0' * 31}f"
    await world.sql.execute(f"CREATE DATABASE {stranger} TEMPLATE template0 STRATEGY FILE_COPY")
    try:
        async with world.served() as (_, backend):
            assert await backend.reconciler.reconcile() == 0
            assert stranger in await world.databases()
    finally:
        await world.sql.execute(f"DROP DATABASE {stranger}")


async def test_the_same_key_is_the_same_registration(world: World) -> None:
    """Repeated under its idempotency key a registration answers with the tenant that it made, and makes no other."""
    async with world.served() as (api, _):
        body = registration()
        headers = {"Idempotency-Key": "key-1"}
        first = await api.http.post("/api/v2/registrations", json=body, headers=headers)
        again = await api.http.post("/api/v2/registrations", json=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json()["tenantId"] == first.json()["tenantId"]
        other = await api.http.post("/api/v2/registrations", json=body | {"lastName": "Else"}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        stolen = await api.http.post("/api/v2/registrations", json=body | {"password": "guessed it"}, headers=headers)
        assert stolen.status_code == 401
        assert len(await world.databases()) == 1


async def test_the_same_key_at_the_same_time(world: World) -> None:
    """Ten at once under one key make one tenant; the others are told that it is in progress."""
    async with world.served() as (api, _):
        body = registration()
        headers = {"Idempotency-Key": "key-2"}
        posts = (api.http.post("/api/v2/registrations", json=body, headers=headers) for _ in range(10))
        answers = await asyncio.gather(*posts)
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert len({answer.json()["tenantId"] for answer in answers if answer.status_code == 201}) == 1
        assert len(await world.databases()) == 1


async def test_a_key_is_free_again_after_a_failure(world: World) -> None:
    """A registration that left nothing leaves its key too: the retry registers."""
    body, headers = registration(), {"Idempotency-Key": "key-3"}
    async with world.served(failpoints="create_admin=error") as (api, _):
        assert (await api.http.post("/api/v2/registrations", json=body, headers=headers)).status_code == 500
    async with world.served() as (api, _):
        assert (await api.http.post("/api/v2/registrations", json=body, headers=headers)).status_code == 201


async def test_work_in_flight_is_bounded(world: World) -> None:
    """Beyond the bound registrations are turned away with 503 and Retry-After; the admitted ones all succeed."""
    async with world.served(max_registrations_in_flight=5) as (api, backend):
        answers = await asyncio.gather(*(api.register() for _ in range(40)))
        count = Counter(answer.status_code for answer in answers)
        assert set(count) == {201, 503}
        assert count[201] >= 5
        turned_away = next(answer for answer in answers if answer.status_code == 503)
        assert turned_away.json()["code"] == "too_many_registrations"
        assert turned_away.headers["retry-after"] == "1"
        assert backend.admission.in_flight == 0
        assert len(await world.databases()) == count[201]


async def test_a_hundred_at_once(world: World) -> None:
    """A hundred registrations at once all succeed, with a bounded number of server connections to make them."""
    async with world.served(cache_limit=20) as (api, _):
        answers = await asyncio.gather(*(api.register() for _ in range(100)))
        assert Counter(answer.status_code for answer in answers) == {201: 100}
        assert len({answer.json()["tenantId"] for answer in answers}) == 100
        told = (await api.statistics())["connections"]
        assert told["cached"] <= 20
        assert await world.connections(world.control) <= 8 + 10 + 1


async def test_registered_in_the_background(world: World) -> None:
    """202 with a job to poll, which ends in a tenant that can sign in; refusals come at once."""
    async with world.served() as (api, _):
        body = registration()
        prefer = {"Prefer": "respond-async"}
        accepted = await api.http.post("/api/v2/registrations", json=body, headers=prefer)
        assert accepted.status_code == 202
        assert accepted.headers["preference-applied"] == "respond-async"
        job = accepted.json()
        place = accepted.headers["location"]
        assert place == f"/api/v2/registrations/jobs/{job['jobId']}"

        async def succeeded() -> bool:
            return (await api.http.get(place)).json()["status"] == "succeeded"

        await wait_until(succeeded, what="the job to succeed", timeout_s=10)
        assert (await api.login(str(body["email"]))).json()["tenantId"] == job["tenantId"]
        again = await api.http.post("/api/v2/registrations", json=body, headers=prefer)
        assert again.status_code == 409


async def test_a_background_registration_that_fails_says_so(world: World) -> None:
    """The job ends as failed, and nothing stays."""
    async with world.served(failpoints="create_database=error") as (api, _):
        accepted = await api.register(headers={"Prefer": "respond-async"})

        async def ended() -> bool:
            return (await api.http.get(accepted.headers["location"])).json()["status"] == "failed"

        await wait_until(ended, what="the job to fail", timeout_s=10)
        assert await world.nothing_left()


async def test_killed_in_the_background(world: World) -> None:
    """A background registration whose process is killed is taken back, and its job says that it was interrupted."""
    async with world.process(failpoints="create_database=kill") as process:
        accepted = await process.api.register(headers={"Prefer": "respond-async"})
        await wait_until(process.has_ended, what="the backend to be dead", timeout_s=10)
        process.environment["BACKEND_FAILPOINTS"] = ""
        await process.start()
        job = (await process.http.get(accepted.headers["location"])).json()
        assert (job["status"], job["failure"]) == ("failed", "interrupted")
        assert await world.nothing_left()


async def test_the_event_loop_is_not_held_up(world: World) -> None:
    """While passwords are hashed at full cost and databases are made, the loop still turns."""
    async with world.served(argon2_memory_kib=65536, argon2_passes=3) as (api, _):
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0.25
        longest_s = 0.0
        running = asyncio.gather(*(api.register() for _ in range(8)))
        while not running.done():
            before = loop.time()
            await asyncio.sleep(0)
            longest_s = max(longest_s, loop.time() - before)
            await asyncio.wait({running}, timeout=0.001)
        assert {answer.status_code for answer in running.result()} == {201}
        assert longest_s < 1.0, "one turn of the loop took as long as several password hashes"


async def test_shutting_down_lets_registrations_end(world: World) -> None:
    """SIGTERM in the middle of registrations: each is either acknowledged and whole, or leaves nothing."""
    async with world.process() as process:
        posts = [asyncio.create_task(process.api.register()) for _ in range(10)]
        await wait_until(world.databases, what="the first database", timeout_s=10, interval_s=0.002)
        assert await asyncio.to_thread(process.stop) == 0
        answers = await asyncio.gather(*posts, return_exceptions=True)
        whole = [a for a in answers if not isinstance(a, BaseException) and a.status_code == 201]
        assert len(await world.databases()) == len(await world.tenants())
        assert {row["status"] for row in await world.tenants()} <= {"active"}
        assert len(await world.tenants()) >= len(whole)
        assert "Traceback" not in process.log.read_text()
        assert json.loads(process.log.read_text().splitlines()[0])["level"] == "info"


async def test_a_spare_is_taken_with_its_client_open(world: World) -> None:
    """In warm mode a registration makes no database and opens no client; another spare takes the place."""
    async with world.served(provisioning="warm", warm_size=1) as (api, backend):
        await wait_until(lambda: is_ready(backend, 1), what="a spare", timeout_s=20)
        [spare] = await world.spares()
        before = (await api.statistics())["connections"]["created"]
        tenant = await api.tenant()
        assert tenant.database == spare
        await wait_until(lambda: is_ready(backend, 1), what="another spare", timeout_s=20)
        assert (await api.statistics())["connections"]["created"] == before + 1 == 2


async def test_a_refused_registration_gives_its_spare_back(world: World) -> None:
    """Ten conflicts use up nothing, and the spare is the next tenant's."""
    async with world.served(provisioning="warm", warm_size=1) as (api, backend):
        await wait_until(lambda: is_ready(backend, 1), what="a spare", timeout_s=20)
        taken = await api.tenant()
        await wait_until(lambda: is_ready(backend, 1), what="another spare", timeout_s=20)
        [spare] = await world.spares()
        assert [(await api.register(email=taken.email)).status_code for _ in range(10)] == [409] * 10
        assert (await api.tenant()).database == spare


async def test_spares_outlive_a_restart_and_their_owner_does_not_outlive_them_for_long(world: World) -> None:
    """A process of the same name hands out what is left; another drops it once its owner was not seen for an hour."""
    async with world.served(provisioning="warm", warm_size=2) as (_, backend):
        await wait_until(lambda: is_ready(backend, 2), what="spares", timeout_s=20)
    left = await world.spares()
    async with world.served(provisioning="warm", warm_size=2) as (api, _):
        tenant = await api.tenant()
        assert tenant.database in left
    async with world.served(instance="another") as (_, other):
        kept = await world.spares()
        await other.reconciler.reconcile()
        assert await world.spares() == kept
        await world.sql.execute("UPDATE spares SET seen_at = now() - interval '2 hours'")
        await other.reconciler.reconcile()
        assert await world.spares() == set()
        assert await world.databases() == {tenant.database}


async def test_a_spare_that_became_a_tenant_is_not_dropped(world: World) -> None:
    """The reconciler that found a spare useless looks again under its lock."""
    async with world.served(provisioning="warm", warm_size=1) as (api, backend):
        await wait_until(lambda: is_ready(backend, 1), what="a spare", timeout_s=20)
        tenant = await api.tenant()
        await backend.reconciler._drop_spare(UUID(tenant.tenant_id))
        assert tenant.database in await world.databases()
        assert (await tenant.add_branch("North")).status_code == 201


def is_ready(backend: Backend, spares: int) -> bool:
    assert isinstance(backend.provisioning, Warm)
    return len(backend.provisioning._ready) == spares
