"""Tokens: which are let in. Forged ones, another tenant's, expired ones, and those revoked before, during and after
faults. Next to every refusal stands a good token that is accepted, or the refusals would say nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from harness.clock import utc_now
from harness.live.checks.asking import Asker, Checked, Question
from harness.live.checks.forgery import claims_of, forgeries
from harness.record.schema import Expected
from harness.target import TokenChecks

EXPIRY_MARGIN_S = 1.5
ASKED_AFTER_HEALING = 6
BETWEEN_ASKS_S = 0.5


@dataclass(frozen=True, slots=True)
class Revoked:
    """A token that its tenant has given back."""

    tenant: Checked
    token: str
    when: str


class TokenRounds:
    """The token checks of a run: `quiet` first, then `during` and `after` each fault."""

    def __init__(self, asker: Asker, checks: TokenChecks) -> None:
        self._asker = asker
        self._checks = checks
        self._revoked: list[Revoked] = []

    async def quiet(self) -> None:
        """Everything that needs no fault. Does nothing where fewer than two tenants are there to be checked."""
        if len(self._asker.tenants) < 2:
            return
        tenant, other = self._asker.tenants[:2]
        to_expire = await self._token(tenant)
        good = await self._token(tenant)
        await self._try(tenant, "good", good, "an issued token", expected="accepted")
        await self._try(tenant, "absent", "", "no token")
        claim = self._checks.tenant_claim
        changed = {claim: other.values.get("tenant_id", "")} if claim else {}
        for forged in forgeries(good, changed=changed):
            await self._try(tenant, forged.probe, forged.token, forged.text)
        await self._refresh_token(tenant)
        await self._revoke(tenant, "before the faults")
        await self._try_revoked()
        await self._expired(tenant, to_expire)

    async def during(self, fault: str) -> None:
        """With the fault in force: good tokens are still accepted, revoked ones refused, and revoking still works."""
        await self.good_and_revoked(f"during {fault}")

    async def after(self, fault: str) -> None:
        """Right after healing, and until what was away has had the time to come back, empty maybe."""
        for _ in range(ASKED_AFTER_HEALING):
            await self._try_revoked()
            await asyncio.sleep(BETWEEN_ASKS_S)
        await self.good_and_revoked(f"after {fault}")

    async def good_and_revoked(self, when: str) -> None:
        for tenant in self._asker.tenants[:1]:
            await self._try(tenant, "good", await self._token(tenant), "an issued token", expected="accepted")
            await self._try_revoked()
            await self._revoke(tenant, when)
            await self._try_revoked()

    async def _token(self, tenant: Checked) -> str:
        await self._asker.step(self._checks.login, tenant, check="tokens")
        return tenant.values.get(self._checks.token, "")

    async def _refresh_token(self, tenant: Checked) -> None:
        name = self._checks.refresh_token
        if name is not None and name in tenant.values:
            await self._try(tenant, "refresh_token", tenant.values[name], "the refresh token, used for access")

    async def _revoke(self, tenant: Checked, when: str) -> None:
        """Log in, log out, and remember the token if the logout was acknowledged."""
        if self._checks.logout is None:
            return
        token = await self._token(tenant)
        told = await self._asker.step(self._checks.logout, tenant, check="tokens")
        if told.row.accepted:
            self._revoked.append(Revoked(tenant, token, when))

    async def _try_revoked(self) -> None:
        for revoked in self._revoked:
            await self._try(revoked.tenant, "revoked", revoked.token, f"revoked {revoked.when}")

    async def _expired(self, tenant: Checked, token: str) -> None:
        """Wait until the token has expired, where that is soon enough; else nothing is asked and nothing is said."""
        expiry = (claims_of(token) or {}).get("exp")
        if not isinstance(expiry, int | float):
            return
        left_s = expiry - utc_now().timestamp() + EXPIRY_MARGIN_S
        if left_s <= self._checks.expiry_wait_s:
            await asyncio.sleep(max(0.0, left_s))
            await self._try(tenant, "expired", token, f"expired {EXPIRY_MARGIN_S:g} s ago or earlier")

    async def _try(self, tenant: Checked, probe: str, token: str, text: str, *, expected: Expected = "refused") -> None:
        step = self._asker.plan.target.steps[self._checks.request]
        values = {**tenant.values, self._checks.token: token}
        await self._asker.ask(
            Question(
                check="tokens",
                probe=probe,
                step=step,
                tenant=tenant,
                about=tenant,
                values=values,
                expected=expected,
                shown=text,
            )
        )
