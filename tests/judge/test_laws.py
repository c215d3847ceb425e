"""The laws of judging, whatever the run: more trouble never helps, and less evidence never helps."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from harness.gate import Ruling
from harness.record.schema import (
    Closed,
    ControlTenant,
    Database,
    FinalRead,
    Lag,
    Login,
    Note,
    Opened,
    OwnData,
    Process,
    Pulse,
    Redis,
    Request,
    Row,
    Server,
    Statistics,
    Trailer,
)
from tests.judge.story import Story, begins_s, broken, connection, database, healthy, held, ns
from tests.judge.test_leaks import without_statistics
from tests.judge.test_redis_contract import PROMISED_S, away

slow = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def leak(story: Story, n: int) -> Story:
    """Tenant `n`'s connection is forgotten, and another one serves."""
    return held(story, connection(6000 + n, database(n), 12.8, 13.2))


def claim_leaks(story: Story, count: int) -> Story:
    return story.change(Statistics, lambda row: replace(row, created=(row.created or 0) + count))


def lose(story: Story) -> Story:
    return story.drop(ControlTenant, where=lambda row: row.tenant_id == "id3")


def double(story: Story) -> Story:
    email = story.plan().registration(3).email
    row = ControlTenant(at_ns=ns(14), tenant_id="id77", email=email, database="shop_id77", status="active")
    return story.add("final_read", row, Database(at_ns=ns(14), database="shop_id77", tables=["a.orders", "a.users"]))


FAILING: dict[str, Callable[[], Story]] = {
    "a leak by the formula": lambda: claim_leaks(healthy(), 2),
    "a leak by the server": lambda: leak(without_statistics(), 2),
    "a lost tenant": lambda: lose(healthy()),
    "a duplicate": lambda: double(healthy()),
    "a crash": lambda: healthy().add("conductor", Note(at_ns=ns(5), subject="crash", text="oh")),
    "an attempt too many": lambda: away((*PROMISED_S, 8.0)),
    "a cache over its limit": lambda: healthy().change(Statistics, lambda row: replace(row, cache_limit=3)),
    "half a migration": lambda: healthy().change(
        Database, lambda row: replace(row, tables=[]) if row.database == database(3) else None
    ),
}

EVIDENCE: tuple[type[Row], ...] = (
    Request, Trailer, Lag, Server, Statistics, Process, Redis, Pulse, Opened, Closed,
    ControlTenant, Database, Login, OwnData, FinalRead,
)  # fmt: skip


@pytest.mark.parametrize("failing", FAILING)
def test_each_of_them_fails(failing: str) -> None:
    """Else the laws below would say nothing."""
    assert FAILING[failing]().verdict().ruling is Ruling.FAIL


@pytest.mark.parametrize("failing", FAILING)
@slow
@given(dropped=st.sets(st.sampled_from(EVIDENCE), min_size=1, max_size=4))
def test_dropping_evidence_never_turns_a_failure_into_a_pass(failing: str, dropped: set[type[Row]]) -> None:
    """Whole kinds of rows are lost: unknown at best."""
    assert FAILING[failing]().drop(*dropped).verdict().ruling is not Ruling.PASS


@pytest.mark.parametrize("failing", FAILING)
@slow
@example("observe", 0.97)
@given(st.sampled_from(["conductor", "observe", "load-0", "final_read", "proxy"]), st.floats(0, 1))
def test_a_file_that_ends_early_never_turns_a_failure_into_a_pass(failing: str, writer: str, kept: float) -> None:
    """A writer was killed at any moment; what it had written is there."""
    story = FAILING[failing]()
    rows = story.rows.get(writer, [])
    cut = int(len(rows) * kept)
    if cut == len(rows) or (writer == "conductor" and any(isinstance(row, Note) for row in rows[cut:])):
        return
    story.rows[writer] = sorted(rows, key=lambda row: getattr(row, "at_ns", 0))[:cut]
    assert story.verdict().ruling is not Ruling.PASS


@slow
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5, unique=True), st.booleans())
def test_another_leak_never_improves_a_verdict(leaking: list[int], claims: bool) -> None:
    """Whatever leaks there are, one more is never better: not the ruling, not the count."""
    story = healthy() if claims else without_statistics()
    before = story.verdict()
    for n in leaking:
        after = leak(story, n).verdict()
        assert after.ruling >= before.ruling
        counts = [item.finding("unaccounted_connections") for item in (before, after)]
        assert counts[0] and counts[1]
        assert (counts[1].value or 0) > (counts[0].value or 0)
        before = after


@slow
@given(st.sampled_from(sorted(FAILING)), st.sampled_from(["redis.kill", "postgres.restart", "backend.kill"]))
def test_a_failure_outside_of_a_fault_is_not_excused_by_it(failing: str, name: str) -> None:
    """A fault that came and went makes nothing good."""
    story = deepcopy(FAILING[failing]())
    if failing != "an attempt too many":
        # So early that its aftermath, in which pools replace connections, is over when the failures come.
        broken(story, name, 2.1, 2.4)
    assert story.verdict().ruling is not Ruling.PASS


@slow
@given(st.permutations(range(1, 7)))
def test_the_order_in_which_rows_were_written_changes_nothing(order: list[int]) -> None:
    """Writers are not in step: a file's rows may come in any order of their times."""
    story = healthy(6)
    expected = {item.name: item.value for item in leak(healthy(6), 2).verdict().findings}
    leak(story, 2)
    by_tenant = {n: [row for row in story.rows["load-0"] if getattr(row, "n", None) == n] for n in order}
    others = [row for row in story.rows["load-0"] if getattr(row, "n", None) is None]
    story.rows["load-0"] = [*others[:-1], *(row for n in order for row in by_tenant[n]), others[-1]]
    assert {item.name: item.value for item in story.verdict().findings} == expected


def test_a_tenant_far_in_time_is_not_forgotten() -> None:
    """The last one counts as the first: its leak is seen though it began late."""
    story = held(without_statistics(), connection(5000, database(9), begins_s(9, 12) - 3, begins_s(9, 12) - 2.9))
    assert (story.finding("unaccounted_connections").value or 0) >= 1
