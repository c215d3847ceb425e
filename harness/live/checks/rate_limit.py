"""Rate limits: whether a request that is repeated beyond its limit is refused, also while faults are in force."""

from __future__ import annotations

from harness.live.checks.asking import Asker, Checked, Question
from harness.target import RateLimitChecks

# Windows that begin anew on the minute let through twice the limit at most, whenever one begins to count.
WINDOWS = 2


class RateLimitRounds:
    """Each round repeats the request for an identity of its own, until it is limited or was asked often enough."""

    def __init__(self, asker: Asker, checks: RateLimitChecks) -> None:
        self._asker = asker
        self._checks = checks
        self._rounds = 0

    async def round(self, when: str) -> None:
        """Ask until an answer says that it is limited; the last row of the round tells."""
        self._rounds += 1
        nobody = self._nobody()
        for _ in range(WINDOWS * self._checks.limit + 1):
            told = await self._asker.ask(
                Question(
                    check="rate_limit",
                    probe=when,
                    step=self._checks.request,
                    tenant=nobody,
                    values=nobody.values,
                    expected="limited",
                )
            )
            if told.row.status in self._checks.limited:
                return

    def _nobody(self) -> Checked:
        """An identity that no registration of the run has: their numbers begin at 1."""
        made_up = self._asker.plan.registration(-self._rounds)
        return Checked(label=made_up.tenant, canary=made_up.canary, values=made_up.placeholders())
