"""What the server's ledger alone proves: leaks of every kind, and pools that do nothing wrong."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.judge.model import Finding
from harness.record.schema import Closed, ControlTenant, Database, Login, Opened, Request, Server
from tests.judge.story import Story, begins_s, broken, connection, database, healthy, held, ns, request
from tests.judge.test_leaks import without_statistics


def found(story: Story) -> Finding:
    return story.finding("unaccounted_connections")


def passed_over(story: Story, younger_s: float = 9.0) -> Story:
    """Tenant 1's connection is idle when a second one is opened, which serves from then on."""
    return held(story, connection(5001, database(1), younger_s, 13.0))


def test_an_idle_connection_that_a_younger_one_replaced_is_abandoned() -> None:
    """An evicted client that nobody disconnected, and the one that was opened after it."""
    leak = found(passed_over(without_statistics()))
    assert leak.value == 1
    assert "connection 1001 to shop_id1 of t00001" in leak.evidence[0].text
    assert "never used again since connection 5001 was opened" in leak.evidence[0].text


def test_a_connection_that_was_in_use_then_is_not() -> None:
    """The pool grew because it had to; that it prefers the younger one later is its own affair."""
    story = held(without_statistics(), connection(5000, database(1), 6.0, 9.5))
    story.change(Server, lambda row: replace(row, connections=[each for each in row.connections if each.pid != 1001]))
    assert found(passed_over(story)).value == 0


def test_a_pool_that_fills_to_its_minimum_is_not_accused() -> None:
    """Connections opened together are one pool, whichever of them serves."""
    story = without_statistics()
    for n in range(1, 13):
        held(story, connection(5000 + n, database(n), begins_s(n, 12) + 0.15, begins_s(n, 12) + 0.4))
    assert found(story).value == 0


def test_several_requests_of_the_tenant_in_flight_excuse_a_second_connection() -> None:
    """The first may have been held by the other request, idle in Postgres's eyes."""
    story = passed_over(without_statistics())
    story.add("load-0", request(1, "read", 8.8, 1.0), request(1, "read", 8.9, 1.0))
    assert found(story).value == 0


def test_a_request_without_an_answer_excuses_it_for_ever() -> None:
    """Nobody knows how long the backend went on with it."""
    story = passed_over(without_statistics())
    late = request(1, "read", 3.0, 1.0, outcome="unknown", status=None)
    story.add("load-0", late, request(1, "read", 8.9, 1.0))
    assert found(story).value == 0


def test_a_broken_postgres_excuses_new_connections() -> None:
    """After a failure a pool opens new ones and may leave old ones for later."""
    story = broken(passed_over(without_statistics()), "postgres.slow", 8.0, 8.5)
    assert found(story).value == 0


def test_a_replacement_of_a_connection_that_ended_is_not_accused() -> None:
    """Another connection to the database had just ended."""
    story = passed_over(without_statistics())
    ended = connection(5002, database(1), 2.2, 8.0)
    story.change(
        Server,
        lambda row: replace(row, connections=[*row.connections, ended]) if ns(2.2) <= row.at_ns <= ns(8.8) else None,
    )
    assert found(story).value == 0


def test_one_in_ten_pools_with_one_more_than_the_others_is_a_leak() -> None:
    """A client that was opened twice at once, the first of the two forgotten."""
    story = held(without_statistics(), connection(5000, database(7), begins_s(7, 12) + 0.05, begins_s(7, 12) + 0.06))
    leak = found(story)
    assert leak.value == 1
    assert "others have fewer" in leak.evidence[0].text


def test_a_failed_tenants_connection_is_a_leak() -> None:
    """Its registration failed, nobody has such a tenant, and its connection stays."""
    story = without_statistics().change(
        Request, lambda row: replace(row, outcome="failed", status=500) if row.n == 4 else None
    )
    story.drop(ControlTenant, where=lambda row: row.tenant_id == "id4").drop(Login, where=lambda row: row.n == 4)
    story.drop(Database, where=lambda row: row.database == database(4))
    leak = found(story)
    assert leak.value == 1
    assert "the registration of its tenant failed" in leak.evidence[0].text


def test_a_connection_that_only_the_wire_knows_is_unaccounted() -> None:
    """Held open for nothing: Postgres has forgotten it."""
    story = healthy()
    known = Opened(at_ns=ns(2), proxy="backend-postgres", connection=1, client="c", upstream_port=1001)
    lost = replace(known, at_ns=ns(3), connection=2, upstream_port=9999)
    end = Closed(at_ns=ns(16), proxy="backend-postgres", connection=1, by="client", how="fin", bytes_up=1, bytes_down=1)
    story.add("proxy", known, lost, end, replace(end, connection=2, at_ns=ns(16)))
    assert found(story).value == 1
    story.drop(Opened, where=lambda row: row.connection == 1)
    assert found(story).value == 0, "ports that are translated on the way prove nothing"


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True))
def test_every_leak_is_accused_whatever_the_others_do(leaking: list[int]) -> None:
    """As many accusations as leaks."""
    story = without_statistics()
    for n in leaking:
        held(story, connection(6000 + n, database(n), 12.8, 13.2))
    assert found(story).value == len(leaking)
