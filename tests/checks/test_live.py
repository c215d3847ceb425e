"""The checks against a small API in memory: what they ask, and what their rows tell of the answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.live.checks.api_contract import HOSTILE, api_contract, bad_variants
from harness.live.checks.double_submit import AT_ONCE, SIGN_UPS, double_submit
from harness.live.checks.isolation import isolation
from harness.live.checks.rate_limit import RateLimitRounds
from harness.live.checks.tokens import TokenRounds
from harness.record.schema import CheckRequest
from harness.target import Step
from tests.checks.shop import Shop, asking, plan, rows


async def isolated(shop: Shop, path: Path) -> list[CheckRequest]:
    checks = plan().target.checks.isolation
    assert checks is not None
    async with asking(shop, path) as asker:
        await isolation(asker, checks)
    return rows(path)


async def test_every_tenant_asks_about_every_tenant_and_sees_itself(tmp_path: Path) -> None:
    """The matrix has its diagonal, which shows that the look is not blind, and no foreign canary where all is sound."""
    found = await isolated(Shop(), tmp_path / "checks.jsonl")
    pairs = {(row.tenant, row.about) for row in found if row.probe == "of_path"}
    assert pairs == {(a, b) for a in ("t00001", "t00002") for b in ("t00001", "t00002")}
    assert all(row.seen == [row.tenant] for row in found if row.probe == "of_path" and row.tenant == row.about)
    assert not [row for row in found if set(row.seen) - {row.tenant}]


async def test_another_tenants_canary_is_seen_and_told(tmp_path: Path) -> None:
    """An answer with somebody else's data names whose it was, and holds the excerpt."""
    found = await isolated(Shop(sees_all=True), tmp_path / "checks.jsonl")
    breach = next(row for row in found if row.tenant == "t00001" and row.about == "t00002" and row.probe == "of_path")
    assert breach.seen == ["t00002"]
    assert "canary-t00002" in breach.answer
    assert breach.expected == "nothing_of_others"


async def test_what_a_check_wrote_is_told_as_owned(tmp_path: Path) -> None:
    """The final read must know of it, or it would take it for somebody else's."""
    found = await isolated(Shop(), tmp_path / "checks.jsonl")
    assert {row.wrote for row in found if row.probe == "write"} == {plan().registration(n).canary for n in (1, 2)}


async def quiet_tokens(shop: Shop, path: Path) -> list[CheckRequest]:
    checks = plan().target.checks.tokens
    assert checks is not None
    async with asking(shop, path) as asker:
        rounds = TokenRounds(asker, checks)
        await rounds.quiet()
        await rounds.during("redis.kill")
    return rows(path)


async def test_a_sound_target_refuses_every_token_but_the_good_one(tmp_path: Path) -> None:
    """Each forgery is tried; the good token beside them is let in, before and during the fault."""
    found = await quiet_tokens(Shop(), tmp_path / "checks.jsonl")
    tried = {row.probe for row in found if row.expected == "refused"}
    assert {
        "absent",
        "garbage",
        "alg_none",
        "no_signature",
        "wrong_key",
        "altered_shop",
        "altered_exp",
        "revoked",
    } <= tried
    assert [row.probe for row in found if row.expected == "refused" and row.accepted] == []
    assert [row.accepted for row in found if row.probe == "good"] == [True, True]


@pytest.mark.parametrize(
    ("shop", "probe"), [(Shop(takes_unsigned=True), "alg_none"), (Shop(forgets_revoked=True), "revoked")]
)
async def test_a_token_that_is_let_in_shows(shop: Shop, probe: str, tmp_path: Path) -> None:
    """The fault shows in the row of its probe and in no other."""
    found = await quiet_tokens(shop, tmp_path / "checks.jsonl")
    assert {row.probe for row in found if row.expected == "refused" and row.accepted} == {probe}


async def test_a_token_is_tried_after_its_end_where_that_comes_soon(tmp_path: Path) -> None:
    """A short lifetime is waited for; a long one is not, and then nothing is said of it."""
    soon = await quiet_tokens(Shop(lifetime_s=1), tmp_path / "soon.jsonl")
    late = await quiet_tokens(Shop(lifetime_s=900), tmp_path / "late.jsonl")
    assert [row.accepted for row in soon if row.probe == "expired"] == [False]
    assert [row for row in late if row.probe == "expired"] == []


@pytest.mark.parametrize(("limit", "asked"), [(3, 4), (None, 7)])
async def test_a_limit_is_looked_for_until_it_shows_or_was_long_due(
    limit: int | None, asked: int, tmp_path: Path
) -> None:
    """Two windows' worth of requests and one more can't all be let through by a limiter that works."""
    checks = plan().target.checks.rate_limit
    assert checks is not None
    async with asking(Shop(limit=limit), tmp_path / "checks.jsonl") as asker:
        await RateLimitRounds(asker, checks).round("quiet")
    assert len(rows(tmp_path / "checks.jsonl")) == asked


async def test_a_sign_up_is_sent_several_times_at_once_under_different_keys(tmp_path: Path) -> None:
    """Copies of one made-up sign-up differ in their key alone, so that no key makes them one."""
    shop = Shop()
    async with asking(shop, tmp_path / "checks.jsonl") as asker:
        await double_submit(asker)
    assert len({email for email, _ in shop.registered}) == SIGN_UPS
    assert len(shop.registered) == SIGN_UPS * AT_ONCE


async def test_a_target_that_does_not_answer_leaves_rows_that_say_so(tmp_path: Path) -> None:
    """No answer is a fact of the run; it is no refusal and no breach."""
    found = await isolated(Shop(down=True), tmp_path / "checks.jsonl")
    assert found
    assert {row.status for row in found} == {None}
    assert all("ConnectError" in row.error for row in found)


async def test_the_contract_is_asked_with_good_and_bad_input(tmp_path: Path) -> None:
    """Each step is done once as it should be, then badly; the document is fetched."""
    api = plan().target.api
    assert api is not None
    async with asking(Shop(), tmp_path / "checks.jsonl") as asker:
        await api_contract(asker, api)
    found = rows(tmp_path / "checks.jsonl")
    assert {row.probe for row in found} >= {"write", "write: no credentials", "write: a hostile 'name'", "read"}
    assert [row.wrote for row in found if row.probe == "write: a hostile 'name'"] == [HOSTILE]
    assert '"api_document"' in (tmp_path / "checks.jsonl").read_text()


def test_bad_variants_follow_from_the_step_alone() -> None:
    """A step without a body or credentials has none; each text of a body gives two."""
    assert list(bad_variants(Step(path="/x"))) == []
    probes = [variant.probe for variant in bad_variants(Step(method="POST", path="/x", body={"a": "{email}", "n": 1}))]
    assert probes == ["no JSON", "an empty object", "a hostile 'a'", "a number as 'a'"]
