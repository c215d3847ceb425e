"""Isolation: a matrix of tenants, tenants and requests, looking for one tenant's canary in another's answers.

Each tenant writes its canary. Then every tenant makes every request about every tenant, itself included: that a tenant
finds its own canary shows that the look is not blind. At last all read at the same time, which shows shared state of
requests in flight, and what somebody wrote where it doesn't belong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.live.checks.asking import Asker, Checked, Question
from harness.target import IsolationChecks, Step

READS_AT_ONCE_ROUNDS = 3


async def isolation(asker: Asker, checks: IsolationChecks) -> None:
    """Write the canaries, walk the matrix, read everything again."""
    tenants = asker.tenants[: checks.tenants]
    for tenant in tenants:
        await asker.step(asker.plan.target.final_read.login, tenant, check="isolation")
        await asker.step(checks.write, tenant, check="isolation")
    for name, request in checks.requests.items():
        for tenant in tenants:
            for about in tenants:
                await asker.ask(question(name, request, tenant, about))
    reads = [(name, request) for name, request in checks.requests.items() if request.method == "GET"]
    for _ in range(READS_AT_ONCE_ROUNDS):
        await _read_at_once(asker, reads, tenants)


async def _read_at_once(asker: Asker, reads: Sequence[tuple[str, Step]], tenants: Sequence[Checked]) -> None:
    async with asyncio.TaskGroup() as group:
        for name, request in reads:
            for tenant in tenants:
                group.create_task(asker.ask(question(f"{name}, all at once", request, tenant, tenant)))


def question(probe: str, request: Step, tenant: Checked, about: Checked) -> Question:
    """`tenant` asks about `about`. What it writes tells who wrote it, and where."""
    others = {f"other_{name}": value for name, value in about.values.items()}
    mark = {"canary": f"{tenant.canary}.{probe}.{about.label}"}
    return Question(
        check="isolation",
        probe=probe,
        step=request,
        tenant=tenant,
        about=about,
        values={**tenant.values, **others, **mark},
        expected="accepted" if tenant is about else "nothing_of_others",
    )
