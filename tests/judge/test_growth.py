"""Growth: what rises with every registration, against what fills up and stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gate import Ruling
from harness.judge.growth import Series, growth
from harness.record.schema import Process, Redis, RedisClient, Server, ServerConnection
from tests.judge.story import Story, broken, connection, healthy, ns, request


def series(level: Callable[[float], float], registrations: int = 20) -> Series:
    x = np.repeat(np.arange(registrations + 1, dtype=float), 3)
    return Series(x, np.array([level(each) for each in x]))


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (lambda n: 8.0, False),
        (lambda n: 8 + n, True),
        (lambda n: 8 + n // 2, True),
        (lambda n: min(8 + n, 12), False),
        (lambda n: 8 if n < 15 else 20, False),
        (lambda n: 8 + n % 3, False),
        (lambda n: 30 - n, False),
    ],
    ids=["flat", "one each", "one in two", "a pool that fills", "a jump", "a wave", "shrinking"],
)
def test_only_what_rises_all_along_is_growth(level: Callable[[float], float], shown: bool) -> None:
    """Slope, quarters and slack must all agree."""
    found = growth(series(level), slack=3)
    assert found is not None
    assert found.shown is shown


def test_too_few_registrations_show_nothing() -> None:
    """A slope over five registrations is none."""
    assert growth(series(lambda n: n, registrations=5), slack=3) is None


def test_the_lowest_level_counts() -> None:
    """What is only in use for a moment does not stay."""
    x = np.repeat(np.arange(21, dtype=float), 2)
    y = np.where(np.arange(42) % 2, 8.0, 8 + x)
    found = growth(Series(x, y), slack=3)
    assert found is not None
    assert found.slope == pytest.approx(0)


@settings(max_examples=50)
@given(st.floats(0.5, 5), st.lists(st.floats(0, 0.4), min_size=63, max_size=63))
def test_the_interval_holds_the_true_slope_of_a_leak(slope: float, noise: list[float]) -> None:
    """One that leaks steadily is shown whatever small noise lies on it."""
    x = np.repeat(np.arange(21, dtype=float), 3)
    found = growth(Series(x, slope * x + np.array(noise)), slack=3)
    assert found is not None
    assert found.shown
    assert found.low - 0.05 <= slope <= found.high + 0.05


def test_too_few_samples_of_what_rose_are_no_evidence_that_it_stops() -> None:
    """Three looks at thirty quick registrations: a leak, or a pool that filled? Never a pass."""
    few = Series(np.array([8.0, 19.0, 30.0]), np.array([12.0, 23.0, 34.0]))
    found = growth(few, slack=10)
    assert found is not None
    assert found.is_open and not found.shown
    still = growth(Series(few.registrations, np.array([12.0, 13.0, 12.0])), slack=10)
    assert still is not None
    assert not still.is_open
    story = healthy(20)
    story.change(Server, lambda row: replace(row, connections=[*row.connections, *_grown(row)]))
    story.drop(Server, where=lambda row: ns(2) < row.at_ns < ns(12) and row.at_ns % ns(4) >= ns(0.25))
    assert story.ruling("connection_growth_per_registration") is Ruling.UNKNOWN


def _grown(row: Server) -> list[ServerConnection]:
    """One for each tenant's own, beside them."""
    return [connection(7000 + k, "shop", 3, 3) for k in range(sum(c.pid > 1000 for c in row.connections))]


def test_connections_beside_the_tenants_that_grow_are_told() -> None:
    """One to the control database is left open by each registration."""
    story = healthy(20)
    story.change(Server, lambda row: replace(row, connections=[*row.connections, *_grown(row)]))
    found = story.finding("connection_growth_per_registration")
    assert found.value == pytest.approx(1, abs=0.1)
    assert found.low is not None and found.low > 0.8
    assert story.ruling("connection_growth_per_registration") is Ruling.FAIL


def test_a_cache_that_fills_is_no_growth_of_anything() -> None:
    """Each new tenant has a connection and its descriptor, and both are accounted for."""
    verdict = healthy(20).verdict()
    for name in ("connection_growth_per_registration", "descriptor_growth", "thread_growth", "redis_clients_growth"):
        found = verdict.finding(name)
        assert found is not None
        assert found.value == 0, name


def test_only_redis_keys_that_never_expire_are_growth() -> None:
    """A cached entry that goes by itself may be there for every tenant; nor does a record without the figure say 0."""

    def with_keys(lasting: int | None) -> Story:
        def more(row: Redis) -> Redis:
            keys = (row.at_ns - ns(2)) // ns(0.25)
            return replace(row, keys=keys, keys_lasting=keys * lasting if lasting is not None else None)

        return healthy(20).change(Redis, more)

    assert (with_keys(1).finding("redis_keys_growth").value or 0) > 1
    assert with_keys(0).finding("redis_keys_growth").value == 0
    assert with_keys(None).finding("redis_keys_growth").missing


def test_redis_clients_and_descriptors_that_grow_are_told() -> None:
    """With the figures from the first to the last."""
    story = healthy(20)
    clients = [RedisClient(id=k, name="", address="", age_s=0, idle_s=0) for k in range(200)]
    story.change(Redis, lambda row: replace(row, clients=clients[: max(1, (row.at_ns - ns(2)) // ns(0.25))]))
    assert (story.finding("redis_clients_growth").value or 0) > 1
    story = healthy(20)
    story.change(
        Process, lambda row: replace(row, descriptors=(row.descriptors or 0) + max(0, row.at_ns - ns(2)) // ns(0.25))
    )
    assert (story.finding("descriptor_growth").value or 0) > 1


@pytest.mark.parametrize(("at_once", "shown"), [(1, True), (10, False)])
def test_the_loads_own_connections_are_no_growth_of_descriptors(at_once: int, shown: bool) -> None:
    """A slow backend has ever more requests under way, each with a connection to it and so with a descriptor."""
    story = healthy(20)
    story.change(
        Process, lambda row: replace(row, descriptors=(row.descriptors or 0) + max(0, row.at_ns - ns(2)) // ns(1))
    )
    story.add("load-1", *(request(1, "list_branches", 2, took_s=9) for _ in range(at_once)))
    assert bool(story.finding("descriptor_growth").value) is shown


def test_a_restart_resets_and_is_left_out() -> None:
    """Only the longest stretch without a fault on the service is looked at; too short, and nothing is said."""
    found = broken(healthy(), "redis.kill", 3, 11).finding("redis_clients_growth")
    assert found.value is None
    assert found.not_applicable


def test_memory_is_looked_at_once_the_connections_stopped_growing() -> None:
    """Each new client needs memory of its own; a full cache does not."""
    story = healthy(20)
    grown = lambda row: replace(row, rss_bytes=2**26 + (row.at_ns // ns(0.1)) * 2**20)  # noqa: E731
    assert story.change(Process, grown).finding("memory_growth").value is None
    story.change(Server, lambda row: replace(row, connections=row.connections[:3]))
    assert (story.finding("memory_growth").value or 0) > 1000


def test_nobody_looking_is_missing_evidence() -> None:
    """Not a system that does not grow."""
    assert healthy().drop(Redis).ruling("redis_clients_growth") is Ruling.UNKNOWN
    assert healthy().drop(Process).ruling("descriptor_growth") is Ruling.UNKNOWN
