"""Forged tokens: refused by whoever checks signature, algorithm and expiry; each let in by one careless reader."""

from __future__ import annotations

import jwt
import pytest

from harness.live.checks.forgery import claims_of, forgeries

KEY = "the-key-that-signs-0123456789-0123456789"
TOKEN = jwt.encode({"sub": "ada", "shop": "one", "exp": 4_000_000_000}, KEY, "HS256")
FORGED = {each.probe: each.token for each in forgeries(TOKEN, changed={"shop": "two"})}


@pytest.mark.parametrize("probe", FORGED)
def test_a_careful_reader_refuses_it(probe: str) -> None:
    """Whoever verifies as RFC 8725 asks lets none of them in."""
    with pytest.raises(jwt.PyJWTError):
        jwt.decode(FORGED[probe], KEY, algorithms=["HS256"], options={"require": ["exp"]})


@pytest.mark.parametrize(("probe", "shop"), [("alg_none", "one"), ("no_signature", "one"), ("altered_shop", "two")])
def test_a_reader_that_checks_no_signature_lets_it_in(probe: str, shop: str) -> None:
    """They are well-formed: what refuses them is the signature and nothing else."""
    claims = claims_of(FORGED[probe])
    assert claims is not None
    assert claims["shop"] == shop


def test_a_token_that_is_no_jwt_is_altered_instead() -> None:
    """An opaque token can still be guessed at; its forgeries differ from it."""
    forged = list(forgeries("opaque-token", changed={}))
    assert [each.probe for each in forged] == ["garbage", "altered"]
    assert all(each.token != "opaque-token" for each in forged)
