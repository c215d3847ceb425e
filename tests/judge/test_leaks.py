"""The claimed ledger: the formula, contradictions, the cache's limit, and a target that claims nothing."""

from __future__ import annotations

from dataclasses import replace

from harness.gate import Ruling
from harness.record.schema import Process, Server, Statistics
from tests.judge.story import Story, broken, connection, database, healthy, held, label, ns


def claiming(story: Story, **claims: int | None) -> Story:
    """From the sixth second on the target claims these figures."""
    return story.change(Statistics, lambda row: replace(row, **claims) if row.at_ns >= ns(6) else None)


def without_statistics(tenants: int = 12) -> Story:
    """A target that exposes nothing, as most do."""
    story = healthy(tenants).drop(Statistics)
    story.target = {name: value for name, value in story.target.items() if name != "statistics"}
    return story


def test_leaks_are_created_less_closed_less_cached() -> None:
    """The formula, from the sample at rest, with its figures."""
    found = claiming(healthy(), created=20, closed=3, cached=12, potential_leaks=5).finding("leaks")
    assert found.value == 5
    assert found.evidence[0].text == "created 20 - closed 3 - cached 12 = 5 after 12 registrations"


def test_clients_on_their_way_out_are_no_leaks_at_rest() -> None:
    """They count for the worst moment only."""
    story = healthy().change(Statistics, lambda row: replace(row, created=20, closed=5) if row.at_ns == ns(8) else None)
    assert story.finding("leaks").value == 0
    assert (story.finding("leaks_worst").value or 0) > 0


def test_without_a_claim_at_rest_leaks_are_unknown() -> None:
    """A target that stopped telling is not one without leaks."""
    story = healthy().drop(Statistics, where=lambda row: row.at_ns > ns(10))
    assert story.ruling("leaks") is Ruling.UNKNOWN
    assert story.ruling("unaccounted_connections") is Ruling.UNKNOWN


def test_a_target_without_statistics_is_judged_by_postgres_alone() -> None:
    """Clean it passes, with an abandoned connection it fails, and without samples it is unknown."""
    assert without_statistics().ruling("leaks") is Ruling.PASS
    leaking = held(without_statistics(), connection(5000, database(3), 2.5, 3.0))
    leaking = held(leaking, connection(5001, database(3), 9.0, 13.0))
    assert leaking.ruling("leaks") is Ruling.FAIL
    assert without_statistics().drop(Server).ruling("leaks") is Ruling.UNKNOWN


def test_a_ledger_below_zero_does_not_add_up() -> None:
    """More closed than created: a clamp may hide it in the figure that is shown, never in the sum."""
    found = claiming(healthy(), created=12, closed=4, cached=12, potential_leaks=0).finding("ledger_mismatch")
    assert found.value == 2
    assert "the formula gives -4" in found.evidence[1].text


def test_figures_that_contradict_the_list_are_told() -> None:
    """Cached against the tenants listed, connections against their sum."""
    found = claiming(healthy(), created=13, cached=13, connections_open=40).finding("ledger_mismatch")
    assert found.value == 2


def test_counts_that_fall_are_told_unless_another_process_took_over() -> None:
    """A counter of events that falls in a living process is wrong."""

    def fallen() -> Story:
        return healthy().change(
            Statistics, lambda row: replace(row, closed=1, created=13) if row.at_ns == ns(8) else None
        )

    assert fallen().finding("ledger_mismatch").value == 2
    # A container tells no pid while it starts: that it was dead in between is enough, and so is a fault on it.
    gone = fallen().change(Process, lambda row: replace(row, pid=0, alive=row.at_ns != ns(8.25)))
    assert gone.finding("ledger_mismatch").value == 0
    assert broken(fallen(), "backend.kill", 8.1, 8.2).finding("ledger_mismatch").value == 0


def test_a_cache_over_its_limit_is_told_by_its_worst_moment() -> None:
    """Even where it shrinks again before the end."""
    story = healthy().change(
        Statistics, lambda row: replace(row, cache_limit=10, cached=13) if row.at_ns == ns(8) else None
    )
    assert story.finding("cache_over_limit").value == 3


def test_every_unaccounted_connection_is_named_with_its_tenant_and_why() -> None:
    """Database, tenant, age, last use and the reason."""
    story = held(healthy(), connection(5000, database(3), 9.0, 13.0))
    found = story.finding("unaccounted_connections")
    assert found.value == 1
    fact = found.evidence[0]
    assert fact.tenant == label(3)
    assert f"connection 1003 to {database(3)} of {label(3)}, open for" in fact.text
    assert "never used again since connection 5000 was opened" in fact.text


def test_an_evicted_owner_that_is_still_connected_is_unaccounted() -> None:
    """Claimed closed, there all the same."""
    story = healthy().change(
        Statistics,
        lambda row: (
            replace(
                row,
                cached=(row.cached or 0) - 1,
                closed=1,
                evicted=1,
                connections_open=(row.connections_open or 0) - 1,
                tenants=row.tenants[1:],
            )
            if row.tenants
            else None
        ),
    )
    found = story.finding("unaccounted_connections")
    assert found.value == 1
    assert "not cached any more" in found.evidence[0].text
    assert story.finding("leaks").value == 0


def test_a_total_is_enough_to_see_what_is_beyond_it() -> None:
    """A target that tells only how many connections it holds."""
    story = held(healthy(), connection(5000, database(3), 4.0, 4.5))
    story.change(Statistics, lambda row: replace(row, tenants=[]))
    assert story.finding("unaccounted_connections").value == 1


def test_a_pool_that_claims_its_idle_connections_is_not_accused() -> None:
    """Two connections kept on purpose, and told."""
    story = healthy()
    for n in range(1, 13):
        held(story, connection(5000 + n, database(n), 2.2 + (n - 1) * 10 / 12, 2.3 + (n - 1) * 10 / 12))
    story.change(
        Statistics,
        lambda row: replace(
            row,
            tenants=[replace(tenant, connections=2) for tenant in row.tenants],
            connections_open=2 * len(row.tenants),
        ),
    )
    assert story.finding("unaccounted_connections").value == 0
    assert story.finding("ledger_mismatch").value == 0
