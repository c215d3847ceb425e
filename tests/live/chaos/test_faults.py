"""Every fault of the catalogue does what it says and can be undone, as watched from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from harness.clock import dice, wait_until
from harness.live.chaos.faults import Ground, catalogue, fault_named
from harness.live.chaos.listing import stacks_of
from harness.live.chaos.undo import Undoing
from harness.live.chaos.wire import Wire
from harness.live.observe import redis
from harness.live.stack import Service, Stack
from tests.live.chaos.watching import KEY, SHOWS, TENANT, bystander

pytestmark = pytest.mark.e2e
PATIENCE_S = 30.0


@pytest.fixture
async def ground(stack: Stack, stack_folder: Path) -> AsyncIterator[Ground]:
    """A control table, a tenant's database, a key in Redis and an open session; and all services well afterwards."""
    control = await asyncpg.connect(stack.postgres.url(), timeout=10, command_timeout=20)
    await control.execute("CREATE TABLE IF NOT EXISTS tenants (tenant_id text)")
    if not await control.fetchval("SELECT true FROM pg_database WHERE datname = $1", TENANT):
        await control.execute(f"CREATE DATABASE {TENANT} TEMPLATE template0")
    await control.close()
    async with redis.session(stack.redis) as client:
        await client.set(KEY, "x")
    await bystander.begin(stack)
    wire = Wire(stack_folder / "run" / "events" / "proxy.jsonl")
    yield Ground(stack=stack, tenant_pattern="^tenant_", dice=dice(1), undoing=Undoing(stack, None), wire=wire)
    if bystander.session is not None:
        bystander.session.terminate()
    assert all(stack.is_running(service) for service in Service)


@pytest.mark.parametrize("name", catalogue())
async def test_takes_effect_and_is_healed(ground: Ground, name: str) -> None:
    """The fault's own probe and an outsider agree that it is there, and that it is gone after the healing."""
    shows, stack = SHOWS[name], ground.stack
    fault = fault_named(name, shows.options)
    if not fault.needs <= stack.capabilities:
        assert stack.facts.name not in stacks_of(fault), "the list promises it"
        return
    assert stack.facts.name in stacks_of(fault), "the list conceals it"
    assert not await shows.affected(stack), "the outsider must not be affected before"
    try:
        await fault.inject(ground)
        if shows.provoked:
            assert not await fault.seen(ground), "nobody has met it yet"
            await shows.affected(stack)
        await wait_until(lambda: fault.seen(ground), what=f"{name} to be seen", timeout_s=PATIENCE_S)
        await wait_until(lambda: shows.affected(stack), what=f"{name} to be felt", timeout_s=PATIENCE_S)
    finally:
        await fault.heal(ground)
    await wait_until(lambda: fault.healed(ground), what=f"{name} to be healed", timeout_s=PATIENCE_S)
    if shows.lasts:
        await wait_until(lambda: _well(ground, name), what=f"nobody to feel {name} any more", timeout_s=PATIENCE_S)
    await fault.heal(ground)


async def _well(ground: Ground, name: str) -> bool:
    return not await SHOWS[name].affected(ground.stack)


@pytest.mark.parametrize("name", catalogue())
async def test_healing_what_was_never_broken_does_no_harm(ground: Ground, name: str) -> None:
    """A run that is interrupted before the injection heals all the same."""
    await fault_named(name, {}).heal(ground)
    assert [service for service in Service if not ground.stack.is_running(service)] == []
