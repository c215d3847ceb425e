"""The history against the final read: every way in which a tenant can be there, gone, twice or half."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.gate import Ruling
from harness.judge.model import Finding
from harness.record.schema import ControlTenant, Database, FinalRead, Login, OwnData, Request
from tests.judge.story import Story, database, healthy, label, ns

BAD = ("lost", "ghosts", "orphans", "duplicates", "corrupted", "own_data_wrong")


def outcome(story: Story, n: int, what: str, status: int | None = 500) -> Story:
    """The registration of tenant `n` came out otherwise, and nothing was done after it."""
    story.change(
        Request,
        lambda row: replace(row, outcome=what, status=status) if row.n == n and row.step == "register" else None,
    )
    return story.drop(Request, where=lambda row: row.n == n and row.step != "register")


def gone(story: Story, n: int, *kinds: type) -> Story:
    """The final read finds none of these of tenant `n`."""
    ids = {ControlTenant: lambda row: row.tenant_id == f"id{n}", Database: lambda row: row.database == database(n)}
    for kind in kinds:
        story.drop(kind, where=ids.get(kind, lambda row: row.n == n))  # type: ignore[arg-type]
    return story


def login(story: Story, n: int, status: int | None) -> Story:
    what = "unknown" if status is None else "failed"
    story.change(Login, lambda row: replace(row, outcome=what, status=status) if row.n == n else None)
    return gone(story, n, OwnData)


def status(story: Story, n: int, word: str) -> Story:
    return story.change(ControlTenant, lambda row: replace(row, status=word) if row.tenant_id == f"id{n}" else None)


def absent(story: Story, n: int) -> Story:
    return gone(login(story, n, 401), n, ControlTenant, Database)


CASES: dict[str, tuple[Callable[[Story], object], dict[str, int]]] = {
    "healthy": (lambda story: None, {}),
    "acknowledged, its row is gone": (lambda story: gone(story, 3, ControlTenant), {"lost": 1, "orphans": 1}),
    "acknowledged, its database is gone": (lambda story: gone(story, 3, Database), {"lost": 1}),
    "acknowledged, but not active": (lambda story: status(story, 3, "provisioning"), {"lost": 1}),
    "acknowledged, but the login is refused": (lambda story: login(story, 3, 401), {"lost": 1}),
    "acknowledged, nothing is left": (lambda story: absent(story, 3), {"lost": 1}),
    "refused, nothing is left": (lambda story: absent(outcome(story, 3, "failed"), 3), {}),
    "refused, but it can log in": (lambda story: outcome(story, 3, "failed"), {"ghosts": 1}),
    "refused, its active row stays": (
        lambda story: gone(login(outcome(story, 3, "failed"), 3, 503), 3, Database),
        {"ghosts": 1},
    ),
    "refused, its row is on its way out": (
        lambda story: status(login(outcome(story, 3, "failed"), 3, 401), 3, "removing"),
        {},
    ),
    "unanswered and there": (lambda story: outcome(story, 3, "unknown", None), {"recovered": 1}),
    "unanswered and absent": (lambda story: absent(outcome(story, 3, "unknown", None), 3), {}),
    "unanswered, an active row without a database": (
        lambda story: gone(login(outcome(story, 3, "unknown", None), 3, 401), 3, Database),
        {"ghosts": 1},
    ),
    "unanswered, a database without a row": (
        lambda story: gone(login(outcome(story, 3, "unknown", None), 3, 401), 3, ControlTenant),
        {"orphans": 1},
    ),
    "twice in the control table": (
        lambda story: story.add(
            "final_read",
            ControlTenant(
                at_ns=ns(14), tenant_id="id99", email=story.plan().registration(3).email, database=database(99)
            ),
            Database(at_ns=ns(14), database=database(99), tables=["public.orders", "public.users"]),
        ),
        {"duplicates": 1},
    ),
    "half-migrated": (
        lambda story: story.change(
            Database, lambda row: replace(row, tables=["public.users"]) if row.database == database(3) else None
        ),
        {"corrupted": 1},
    ),
    "its data is gone": (
        lambda story: story.change(OwnData, lambda row: replace(row, found=[]) if row.n == 3 else None),
        {"own_data_wrong": 1},
    ),
    "it reads another's data": (
        lambda story: story.change(
            OwnData,
            lambda row: replace(row, found=[*row.found, story.plan().registration(4).canary]) if row.n == 3 else None,
        ),
        {"own_data_wrong": 1},
    ),
    "it reads a value that nobody wrote": (
        lambda story: story.change(
            OwnData, lambda row: replace(row, found=[*row.found, "main"]) if row.n == 3 else None
        ),
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_tenant_is_what_it_is(case: str) -> None:
    """Exactly the findings that the case is about, and no other."""
    spoil, expected = CASES[case]
    story = healthy()
    spoil(story)
    verdict = story.verdict()
    found = {name: item.value for name in (*BAD, "recovered") if (item := verdict.finding(name)) and item.value}
    assert found == expected
    for name in expected:
        facts = verdict.finding(name)
        assert facts is not None and facts.evidence


def test_a_database_into_which_nobody_could_look_is_not_called_half_migrated() -> None:
    """With no slot left for the final read nothing is known of the tenant's tables; what a database itself says is."""

    def said(**what: str) -> Story:
        return healthy().change(
            Database, lambda row: replace(row, tables=[], **what) if row.database == database(3) else None
        )

    found = said(unread="TooManyConnectionsError: sorry, too many clients already").finding("corrupted")
    assert not found.evidence
    assert "too many clients" in found.missing[0]
    assert said(error="UndefinedFileError: could not open file").finding("corrupted").value == 1


def test_half_migrated_is_told_without_a_list_of_tables() -> None:
    """What most tenants' databases have is what a migrated one has."""
    story = healthy()
    story.target = {**story.target, "database": {**story.target["database"], "tables": []}}
    story.change(Database, lambda row: replace(row, tables=[]) if row.database == database(3) else None)
    assert story.finding("corrupted").evidence[0].tenant == label(3)


def whether(story: Story, name: str) -> Ruling | None:
    return story.ruling(name)


def test_a_login_without_a_usable_answer_proves_nothing() -> None:
    """A server error at the end is no proof of a loss, and no proof against one."""
    for answer in (None, 503, 429):
        story = login(healthy(), 3, answer)
        assert whether(story, "lost") is Ruling.UNKNOWN
        assert whether(story, "orphans") is Ruling.PASS


def test_without_the_control_table_orphans_are_unknown() -> None:
    """Nobody said which databases have an owner."""
    story = healthy().change(FinalRead, lambda row: replace(row, control_table=False)).drop(ControlTenant)
    assert whether(story, "orphans") is Ruling.UNKNOWN
    assert whether(story, "lost") is Ruling.PASS


def test_without_a_final_read_nothing_is_known() -> None:
    """Nothing can be said of lost and orphaned tenants, and what was seen half is not judged as a whole."""
    story = healthy().drop(FinalRead, ControlTenant, Database, Login, OwnData)
    for name in BAD:
        assert whether(story, name) is Ruling.UNKNOWN


def test_a_tenant_that_could_not_read_its_data_is_missing_evidence() -> None:
    """It may be there or not."""
    story = healthy().change(OwnData, lambda row: replace(row, found=None, error="timeout") if row.n == 3 else None)
    found: Finding = story.finding("own_data_wrong")
    assert found.missing == [f"1 tenants could not read their data, the first {label(3)}"]
    assert whether(story, "own_data_wrong") is Ruling.UNKNOWN
