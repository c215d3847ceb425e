"""The same sign-up several times at once, as an impatient click or a retrying client sends it.

The tenants of this check are nobody's: the final read finds them in the control table, once each or more often.
"""

from __future__ import annotations

import asyncio

from harness.live.checks.asking import Asker, Checked, Question

SIGN_UPS = 4
AT_ONCE = 4
# Far below the numbers of the load's registrations, which begin at 1, and of the other checks' identities.
FIRST_NUMBER = -1000


async def double_submit(asker: Asker) -> None:
    """Send each of a few made-up sign-ups several times at the same moment, each under a key of its own."""
    for number in range(SIGN_UPS):
        made_up = asker.plan.registration(FIRST_NUMBER - number)
        nobody = Checked(label=made_up.tenant, canary=made_up.canary, values=made_up.placeholders())
        async with asyncio.TaskGroup() as group:
            for copy in range(AT_ONCE):
                group.create_task(asker.ask(_question(asker, nobody, copy)))


def _question(asker: Asker, nobody: Checked, copy: int) -> Question:
    return Question(
        check="double_submit",
        probe=f"one of {AT_ONCE} at once",
        step=asker.plan.target.steps["register"],
        tenant=nobody,
        values={**nobody.values, "idempotency_key": f"{nobody.values['idempotency_key']}-{copy}"},
        expected="one_of_several",
    )
