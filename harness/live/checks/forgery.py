"""Tokens that nobody issued, made from one that was: what an attacker can do without the key."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

# Any key but the target's does; a fixed one keeps the run repeatable.
OTHER_KEY = "not-the-key-that-the-target-signs-with-0123456789"
NO_TOKEN = "bm90IGEgdG9rZW4gYXQgYWxs"
LATER_S = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Forged:
    """A token that must open nothing: how it was made, in a word and in a sentence."""

    probe: str
    text: str
    token: str


def claims_of(token: str) -> dict[str, Any] | None:
    """What a JWT claims, unverified; null where the token is none."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    return claims


def forgeries(token: str, *, changed: Mapping[str, str]) -> Iterator[Forged]:
    """Every forgery of the token. `changed` are claims and what an attacker would have them say."""
    yield Forged(probe="garbage", text="text that is no token", token=NO_TOKEN)
    claims = claims_of(token)
    if claims is None:
        yield Forged(probe="altered", text="the token with its last character changed", token=_last_changed(token))
        return
    yield from _unsigned(token, claims)
    yield from _wrongly_signed(claims)
    for name, value in changed.items():
        yield _altered(token, claims, name, value)
    if isinstance(claims.get("exp"), int):
        yield _altered(token, claims, "exp", claims["exp"] + LATER_S)


def _unsigned(token: str, claims: dict[str, Any]) -> Iterator[Forged]:
    plain = jwt.encode(claims, None, algorithm="none")
    yield Forged(probe="alg_none", text="the same claims, 'alg': 'none', no signature", token=plain)
    head, payload, _ = token.split(".")
    odd = base64.urlsafe_b64encode(b'{"alg":"nOnE","typ":"JWT"}').decode().rstrip("=")
    yield Forged(probe="alg_none_spelt_oddly", text="'alg': 'nOnE', no signature", token=f"{odd}.{payload}.")
    yield Forged(probe="no_signature", text="the token without its signature", token=f"{head}.{payload}.")


def _wrongly_signed(claims: dict[str, Any]) -> Iterator[Forged]:
    token = jwt.encode(claims, OTHER_KEY, "HS256")
    yield Forged(probe="wrong_key", text="the same claims, signed with another key", token=token)


def _altered(token: str, claims: dict[str, Any], name: str, value: str | int) -> Forged:
    """The token's own header and signature around a changed payload."""
    head, _, signature = token.split(".")
    payload = jwt.encode({**claims, name: value}, OTHER_KEY, "HS256").split(".")[1]
    return Forged(
        probe=f"altered_{name}", text=f"claim '{name}' changed, old signature", token=f"{head}.{payload}.{signature}"
    )


def _last_changed(token: str) -> str:
    return token[:-1] + ("A" if token[-1:] != "A" else "B")
