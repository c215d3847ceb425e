"""Every defect of the catalogue breaks a promise that the correct backend keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from tenant_backend.defects.catalogue import CATALOGUE
from tenant_backend.defects.connections import forgotten

from tests.backend.promises import clients, redis, registration, service
from tests.backend.world import Servers, World

Promise = Callable[[World, str], Awaitable[str]]

BROKEN_BY: Mapping[str, Promise] = {
    "evicted_client_never_disconnected": clients.evicted_clients_leave_nothing,
    "duplicate_client_race": clients.first_requests_share_a_client,
    "cache_over_limit": clients.the_cache_keeps_its_limit,
    "use_after_eviction": clients.nobody_loses_a_client_in_use,
    "disconnect_timeout": clients.a_disconnect_that_hangs_is_forced,
    "clamped_statistics": clients.the_ledger_adds_up,
    "statistics_lie": clients.closed_means_closed,
    "leak_one_in_ten": clients.every_client_is_kept_track_of,
    "leak_on_failed_registration": clients.failed_registrations_leave_no_client,
    "admin_connection_left_open": clients.the_control_database_keeps_its_connections,
    "crash_after_clients": clients.it_survives_many_clients,
    "stale_pool": clients.dead_connections_are_replaced,
    "off_by_one_reconnects": redis.five_attempts,
    "reconnect_forever": redis.reconnecting_ends,
    "reconnect_without_backoff": redis.attempts_keep_their_distance,
    "log_spam": redis.the_log_stays_quiet,
    "repeated_announcement": redis.fallback_is_announced_once,
    "crash_on_redis_loss": redis.losing_redis_ends_nothing,
    "hang_when_redis_blackholed": redis.a_blackholed_redis_holds_nobody_up,
    "stuck_degraded": redis.one_slow_answer_disables_nothing,
    "redis_descriptor_leak": redis.one_connection_to_redis,
    "fail_open_revocation": redis.revoked_without_redis_stays_revoked,
    "revoked_token_accepted": redis.revoked_is_revoked,
    "no_rate_limit_without_redis": redis.logins_are_limited_without_redis,
    "cache_never_expires": redis.what_is_cached_expires,
    "cross_tenant_cache_key": redis.tenants_see_their_own,
    "ghost_tenant": registration.a_failed_registration_leaves_no_row,
    "orphan_database": registration.a_failed_registration_leaves_no_database,
    "duplicate_registration": registration.an_address_registers_once,
    "idempotency_key_ignored": registration.a_retry_is_the_same_registration,
    "unquoted_slug": registration.a_hostile_slug_is_refused,
    "acknowledge_before_commit": registration.acknowledged_is_committed,
    "blocked_event_loop": registration.the_event_loop_turns,
    "migration_not_awaited": registration.acknowledged_is_migrated,
    "unlimited_work": registration.work_is_bounded,
    "memory_growth": registration.memory_does_not_grow_with_registrations,
    "threads_per_tenant": registration.threads_do_not_grow_with_registrations,
    "file_per_tenant": registration.files_do_not_grow_with_registrations,
    "branch_not_awaited": registration.acknowledged_is_written,
    "jwt_algorithm_none": service.unsigned_tokens_are_refused,
    "expired_token_accepted": service.expired_tokens_are_refused,
    "cross_tenant_path": service.another_tenants_path_is_refused,
    "shallow_health": service.health_tells_what_is_away,
    "breaker_stays_open": service.it_recovers_with_postgres,
    "error_details": service.errors_tell_nothing_from_inside,
    "database_told": service.answers_name_no_database,
    "tenant_id_missing": service.answers_name_the_tenant,
}


def test_every_defect_is_shown_to_break_something() -> None:
    """No defect stands in the catalogue unproven, and no proof is of a defect that is not there."""
    assert set(BROKEN_BY) == {defect.name for defect in CATALOGUE}


@pytest.mark.parametrize("defect", BROKEN_BY)
async def test_the_correct_backend_keeps_what_the_defect_breaks(servers: Servers, tmp_path: Path, defect: str) -> None:
    """One promise, asked of the correct backend and of the one with the defect in it."""
    promise = BROKEN_BY[defect]
    async with World.made(servers, tmp_path) as world:
        assert not await promise(world, "")
    async with World.made(servers, tmp_path) as world:
        broken = await promise(world, defect)
        await let_go()
        assert broken, f"{defect} broke nothing"


async def let_go() -> None:
    """Some defects leave work behind that nobody awaits; it ends before its databases do."""
    await asyncio.wait_for(
        asyncio.gather(*(left for left in forgotten if isinstance(left, asyncio.Task)), return_exceptions=True), 10
    )
    forgotten.clear()
