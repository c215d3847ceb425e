"""The cache of tenant clients: one client a tenant, never more than the limit, nobody's client closed under them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from tenant_backend import problems
from tenant_backend.problems import Problem
from tenant_backend.tenants.cache import ClientCache
from tenant_backend.tenants.client import TenantClient
from tenant_backend.tenants.disconnect import Disconnector
from tenant_backend.tenants.ledger import Ledger

from harness.clock import wait_until


class FakeClient:
    """Closes when it is let; says what happened to it."""

    connections = 1

    def __init__(self, tenant_id: UUID, may_close: asyncio.Event) -> None:
        self.tenant_id = tenant_id
        self.may_close = may_close
        self.closed = self.terminated = False

    async def close(self) -> None:
        await self.may_close.wait()
        self.closed = True

    def terminate(self) -> None:
        self.terminated = True


class FakeFactory:
    """Opens when it is let, and counts how many clients are open at once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.clients: list[FakeClient] = []
        self.fails = False

    async def open(self, tenant_id: UUID) -> TenantClient:
        await self.may_open.wait()
        if self.fails:
            raise problems.storage_unavailable()
        client = FakeClient(tenant_id, self.may_close)
        self.clients.append(client)
        self.ledger.opened()
        return client  # type: ignore[return-value]


class Cached:
    """A cache over fakes."""

    def __init__(self, *, limit: int, wait_s: float = 5.0, now_s: Callable[[], float] | None = None) -> None:
        ledger = Ledger()
        self.factory = FakeFactory(ledger)
        extra = {"now_s": now_s} if now_s else {}
        self.cache = ClientCache(
            self.factory,  # type: ignore[arg-type]
            Disconnector(ledger, timeout_s=0.05),
            ledger,
            limit=limit,
            idle_s=1800.0,
            wait_s=wait_s,
            drain_s=0.05,
            **extra,  # type: ignore[arg-type]
        )

    async def use(self, tenant_id: UUID, until: asyncio.Event | None = None) -> TenantClient:
        async with self.cache.client(tenant_id) as client:
            if until is not None:
                await until.wait()
            assert not client.closed and not client.terminated  # type: ignore[attr-defined]
            return client

    def adds_up(self) -> bool:
        now = self.cache.statistics()
        return now.created == now.cached + now.closing + now.closed

    async def settled(self) -> None:
        await wait_until(lambda: not self.cache.statistics().closing, what="closings to end", timeout_s=5)


async def test_two_first_requests_open_one_client() -> None:
    """Requests that miss at the same time share one opening, and the client is the same for all."""
    cached = Cached(limit=3)
    cached.factory.may_open.clear()
    tenant = uuid4()
    uses = [asyncio.create_task(cached.use(tenant)) for _ in range(20)]
    await asyncio.sleep(0)
    cached.factory.may_open.set()
    assert len({id(client) for client in await asyncio.gather(*uses)}) == 1
    assert len(cached.factory.clients) == 1


async def test_a_request_that_goes_away_leaves_the_others_their_client() -> None:
    """Cancelling the first of two waiting requests neither cancels the opening nor leaves a lease behind."""
    cached = Cached(limit=1)
    cached.factory.may_open.clear()
    tenant = uuid4()
    first, second = (asyncio.create_task(cached.use(tenant)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    cached.factory.may_open.set()
    await second
    assert cached.cache.statistics().in_use == 0
    await cached.use(uuid4())
    assert cached.cache.statistics().evicted == 1


async def test_concurrent_misses_stay_within_the_limit() -> None:
    """However many tenants come at once, clients cached and being opened are never more than the limit."""
    cached = Cached(limit=3)
    tenants = [uuid4() for _ in range(40)]
    most = 0

    async def use(tenant: UUID) -> None:
        nonlocal most
        async with cached.cache.client(tenant):
            most = max(most, cached.cache.statistics().cached)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(use(tenant) for tenant in tenants))
    await cached.settled()
    assert most <= 3
    assert cached.cache.statistics().created == 40
    assert cached.adds_up()
    assert cached.cache.statistics().potential_leaks == 0


async def test_the_least_recently_used_one_goes() -> None:
    """The victim is the client whose last use is the oldest, not the one opened first."""
    cached = Cached(limit=2)
    old, recent = uuid4(), uuid4()
    await cached.use(old)
    await cached.use(recent)
    await cached.use(old)
    await cached.use(uuid4())
    assert recent not in {entry.tenant_id for entry in cached.cache.tenants()}
    assert old in {entry.tenant_id for entry in cached.cache.tenants()}


async def test_a_client_in_use_is_not_evicted() -> None:
    """With every client in use a newcomer waits, and gets the place of the first that comes free."""
    cached = Cached(limit=1)
    done = asyncio.Event()
    busy = asyncio.create_task(cached.use(uuid4(), until=done))
    await wait_until(lambda: cached.cache.statistics().in_use == 1, what="the client to be in use", timeout_s=5)
    newcomer = asyncio.create_task(cached.use(uuid4()))
    await asyncio.sleep(0)
    assert cached.cache.statistics().evicted == 0
    done.set()
    await asyncio.gather(busy, newcomer)
    assert cached.cache.statistics().evicted == 1


async def test_waiting_for_room_is_bounded() -> None:
    """A newcomer that finds no room in time is told so with 503, and takes nothing with it."""
    cached = Cached(limit=1, wait_s=0.02)
    done = asyncio.Event()
    busy = asyncio.create_task(cached.use(uuid4(), until=done))
    await wait_until(lambda: cached.cache.statistics().in_use == 1, what="the client to be in use", timeout_s=5)
    with pytest.raises(Problem, match="503 busy"):
        await cached.use(uuid4())
    done.set()
    await busy
    await cached.use(uuid4())
    assert cached.cache.statistics().cached == 1


async def test_a_failed_opening_gives_its_place_back() -> None:
    """Clients that don't open count as nothing and take up no room."""
    cached = Cached(limit=1)
    cached.factory.fails = True
    for _ in range(3):
        with pytest.raises(Problem, match="503"):
            await cached.use(uuid4())
    cached.factory.fails = False
    await cached.use(uuid4())
    assert cached.cache.statistics().created == 1


async def test_it_leaves_the_cache_before_it_is_closed() -> None:
    """While a client is being closed its tenant gets a new one, never the closing one."""
    cached = Cached(limit=1)
    tenant = uuid4()
    before = await cached.use(tenant)
    cached.factory.may_close.clear()
    discarding = asyncio.create_task(cached.cache.discard(tenant))
    await asyncio.sleep(0)
    assert await cached.use(tenant) is not before
    assert cached.cache.statistics().closing == 1
    assert cached.adds_up()
    cached.factory.may_close.set()
    await discarding


async def test_a_client_in_use_is_drained_before_it_is_closed() -> None:
    """Closing everything waits for the requests that still use a client."""
    cached = Cached(limit=1)
    done = asyncio.Event()
    busy = asyncio.create_task(cached.use(uuid4(), until=done))
    await wait_until(lambda: cached.cache.statistics().in_use == 1, what="the client to be in use", timeout_s=5)
    closing = asyncio.create_task(cached.cache.close())
    await asyncio.sleep(0)
    assert not cached.factory.clients[0].closed
    done.set()
    await asyncio.gather(busy, closing)
    assert cached.factory.clients[0].closed


async def test_a_disconnect_that_hangs_is_forced_and_counted() -> None:
    """After the timeout the sockets are dropped; the failure shows, and the ledger still adds up."""
    cached = Cached(limit=3)
    for _ in range(3):
        await cached.use(uuid4())
    cached.factory.may_close.clear()
    await cached.cache.close()
    now = cached.cache.statistics()
    assert (now.closed, now.failed_to_close, now.cached, now.potential_leaks) == (3, 3, 0, 0)
    assert all(client.terminated for client in cached.factory.clients)


async def test_one_failing_disconnect_does_not_stop_the_others() -> None:
    """Cleaning up goes side by side: an error in one leaves the others closed properly."""
    cached = Cached(limit=3)
    for _ in range(3):
        await cached.use(uuid4())

    async def explodes() -> None:
        raise OSError("no route")

    cached.factory.clients[0].close = explodes  # type: ignore[method-assign]
    await cached.cache.close()
    assert [client.closed for client in cached.factory.clients] == [False, True, True]
    assert cached.factory.clients[0].terminated
    assert cached.adds_up()


async def test_idle_clients_are_closed_and_busy_ones_kept() -> None:
    """A client unused for half an hour goes with the next sweep; one in use or used since stays."""
    now = 0.0
    cached = Cached(limit=5, now_s=lambda: now)
    idle, used, busy = uuid4(), uuid4(), uuid4()
    done = asyncio.Event()
    in_use = asyncio.create_task(cached.use(busy, until=done))
    await cached.use(idle)
    await cached.use(used)
    now = 1000.0
    await cached.use(used)
    now = 1800.0
    assert await cached.cache.sweep() == 1
    assert {entry.tenant_id for entry in cached.cache.tenants()} == {used, busy}
    done.set()
    await in_use


@pytest.mark.parametrize("seed", range(5))
async def test_the_ledger_adds_up_at_every_step(seed: int) -> None:
    """Under random openings, failures, cancellations, sweeps and discards: created = cached + closing + closed."""
    draw = random.Random(seed)
    cached = Cached(limit=3, wait_s=0.05)
    tenants = [uuid4() for _ in range(8)]

    async def step() -> None:
        await asyncio.sleep(draw.random() * 0.02)
        cached.factory.fails = draw.random() < 0.2
        if draw.random() < 0.1:
            await cached.cache.discard(draw.choice(tenants))
            return
        async with asyncio.timeout(draw.choice([0.001, 1.0])), cached.cache.client(draw.choice(tenants)):
            assert cached.adds_up()
            assert cached.cache.statistics().cached <= 3
            await asyncio.sleep(draw.random() * 0.005)

    results = await asyncio.gather(*(step() for _ in range(200)), return_exceptions=True)
    unexpected = [each for each in results if each is not None and not isinstance(each, Problem | TimeoutError)]
    assert not unexpected
    await cached.cache.close()
    now = cached.cache.statistics()
    assert (now.potential_leaks, now.cached, now.in_use) == (0, 0, 0)
    assert all(client.closed or client.terminated for client in cached.factory.clients)
