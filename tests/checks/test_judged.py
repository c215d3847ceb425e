"""Isolation, tokens and limits as the judge sees them: sound, broken, and without the evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gate import Ruling
from harness.record.schema import CheckRequest
from tests.checks.shop import TARGET
from tests.judge.story import Story, healthy, ns


def asked(check: str, probe: str, **said: object) -> CheckRequest:
    """A row of a check, answered with 200 unless said otherwise."""
    row = CheckRequest(
        at_ns=ns(14),
        check=check,  # type: ignore[arg-type]
        probe=probe,
        tenant="t00001",
        method="GET",
        path="/orders",
        expected="accepted",
        status=200,
        accepted=True,
    )
    return replace(row, **said)  # type: ignore[arg-type]


def story(check: str, *found: CheckRequest) -> Story:
    made = healthy(checks=[check])
    made.target = {**made.target, **{name: TARGET[name] for name in ("steps", "checks", "api")}}
    return made.add("checks", *found)


OWN = [asked("isolation", "list", tenant=t, about=t, seen=[t]) for t in ("t00001", "t00002")]
FOREIGN = asked(
    "isolation",
    "of_path",
    about="t00002",
    expected="nothing_of_others",
    seen=["t00002"],
    path="/shops/2/orders",
    answer='{"orders":["canary-t00002"]}',
)
GOOD = asked("tokens", "good")
REFUSED = asked("tokens", "alg_none", expected="refused", accepted=False, status=401)
REVOKED = asked("tokens", "revoked", expected="refused", accepted=False, status=401)


def test_a_breach_of_isolation_names_the_request_and_the_answer() -> None:
    """Who asked what about whom, and the excerpt in which the foreign data stands."""
    found = story("isolation", *OWN, FOREIGN).finding("isolation_breaches")
    assert found.value == 1
    text = found.evidence[0].text
    for part in ("t00001", "t00002", "of_path", "/shops/2/orders", "canary-t00002"):
        assert part in text


def test_tenants_that_see_themselves_and_nobody_else_pass() -> None:
    """The gate holds only with the evidence that the look is not blind."""
    assert story("isolation", *OWN).ruling("isolation_breaches") == Ruling.PASS


@pytest.mark.parametrize(
    "rows",
    [
        [],
        OWN[:1],
        [OWN[0], replace(OWN[1], seen=[])],
        [*OWN, asked("isolation", "of_path", accepted=False, status=403)],
    ],
)
def test_a_blind_look_at_isolation_is_unknown(rows: list[CheckRequest]) -> None:
    """Nothing asked, one tenant only, a tenant that never sees itself, a request that nobody may make."""
    assert story("isolation", *rows).ruling("isolation_breaches") == Ruling.UNKNOWN


def test_a_forged_token_that_is_let_in_is_a_breach() -> None:
    """Each one counts, with what it was."""
    let_in = replace(REFUSED, accepted=True, status=200, request="the same claims, unsigned", answer='{"shop":"one"}')
    found = story("tokens", GOOD, let_in, REVOKED).finding("token_breaches")
    assert found.value == 1
    assert "unsigned" in found.evidence[0].text


@pytest.mark.parametrize(
    ("rows", "ruling"),
    [
        ([GOOD, REFUSED, REVOKED], Ruling.PASS),
        ([REFUSED, REVOKED], Ruling.UNKNOWN),
        ([GOOD, REFUSED], Ruling.UNKNOWN),
        ([GOOD, REFUSED, replace(REVOKED, faults=["redis.kill#checks"])], Ruling.UNKNOWN),
        ([GOOD, REFUSED, replace(REVOKED, status=503)], Ruling.UNKNOWN),
        ([GOOD, REFUSED, replace(REVOKED, status=None)], Ruling.UNKNOWN),
    ],
)
def test_refusals_count_beside_a_good_token_only(rows: list[CheckRequest], ruling: Ruling) -> None:
    """A target that refuses everybody, or fails, or could not revoke, proves nothing by refusing."""
    assert story("tokens", *rows).ruling("token_breaches") == ruling


@pytest.mark.parametrize(
    ("statuses", "ruling"),
    [
        ([401, 401, 429], Ruling.PASS),
        ([401, 401, 401], Ruling.FAIL),
        ([401, 503, 401], Ruling.UNKNOWN),
        ([], Ruling.UNKNOWN),
    ],
)
def test_a_round_without_a_limit_fails(statuses: list[int], ruling: Ruling) -> None:
    """Only when every request of the round was answered and none was limited."""
    rows = [asked("rate_limit", "quiet", expected="limited", status=status, accepted=False) for status in statuses]
    assert story("rate_limit", *rows).ruling("rate_limit_bypass") == ruling


@pytest.mark.parametrize("name", ["isolation_breaches", "token_breaches", "rate_limit_bypass", "api_contract"])
def test_a_check_that_nobody_asked_for_is_not_ruled(name: str) -> None:
    """It has no meaning in such a run; that is neither a pass nor a lack."""
    assert healthy().ruling(name) is None


ROWS = st.sampled_from([*OWN, GOOD, REFUSED, REVOKED, replace(REVOKED, status=503), replace(OWN[1], seen=[])])


@settings(max_examples=10, deadline=None)
@given(st.lists(ROWS, max_size=6))
def test_a_breach_never_improves_a_ruling(rows: list[CheckRequest]) -> None:
    """Whatever else was seen, one more breach makes it no better, and is a failure in itself."""
    before = story("isolation", *rows).ruling("isolation_breaches")
    after = story("isolation", *rows, FOREIGN).ruling("isolation_breaches")
    assert before is not None
    assert after == Ruling.FAIL >= before


@settings(max_examples=10, deadline=None)
@given(st.lists(ROWS, max_size=6))
def test_without_the_good_token_no_refusal_is_a_pass(rows: list[CheckRequest]) -> None:
    """Whatever was refused: evidence that is taken away never makes it better."""
    kept = [row for row in rows if row.probe != "good"]
    assert story("tokens", *kept).ruling("token_breaches") == Ruling.UNKNOWN
