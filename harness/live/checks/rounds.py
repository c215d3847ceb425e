"""Runs the checks that a scenario asks for: once in the state that the run left, then during and after each fault."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from harness.clock import Clock
from harness.live.checks.api_contract import api_contract
from harness.live.checks.asking import Asker, Checked
from harness.live.checks.double_submit import double_submit
from harness.live.checks.isolation import isolation
from harness.live.checks.rate_limit import RateLimitRounds
from harness.live.checks.tokens import TokenRounds
from harness.live.final_read import known_registrations
from harness.live.sending import sender
from harness.live.stack import Address
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.writer import RowWriter

TENANTS_MAX = 10


class Breaker(Protocol):
    """What breaks and heals for the checks: the conductor of the run's faults."""

    @property
    def in_force(self) -> list[str]: ...

    def with_fault(self, name: str) -> AbstractAsyncContextManager[None]: ...


async def run_checks(plan: Plan, backend: Address, folder: RunFolder, *, clock: Clock, breaker: Breaker) -> None:
    """Write `events/checks.jsonl`. Does nothing where the scenario asks for no check."""
    if not plan.scenario.checks:
        return
    writer = RowWriter(folder.events_file("checks"))
    try:
        async with sender(backend) as client:
            asker = Asker(client, writer, clock, plan, in_force=lambda: breaker.in_force)
            asker.tenants = registered(plan, folder)
            await _rounds(asker, breaker)
    finally:
        writer.close()


def registered(plan: Plan, folder: RunFolder) -> list[Checked]:
    """The first tenants whose registration was acknowledged."""
    acknowledged = [known.n for known in known_registrations(plan, folder) if known.registered]
    made = [plan.registration(n) for n in acknowledged[:TENANTS_MAX]]
    return [Checked(label=each.tenant, canary=each.canary, values=each.placeholders()) for each in made]


async def _rounds(asker: Asker, breaker: Breaker) -> None:
    scenario, target = asker.plan.scenario, asker.plan.target
    tokens = TokenRounds(asker, target.checks.tokens) if "tokens" in scenario.checks and target.checks.tokens else None
    asked = "rate_limit" in scenario.checks and target.checks.rate_limit
    limits = RateLimitRounds(asker, target.checks.rate_limit) if asked and target.checks.rate_limit else None
    if "isolation" in scenario.checks and target.checks.isolation:
        await isolation(asker, target.checks.isolation)
    if "double_submit" in scenario.checks:
        await double_submit(asker)
    if "api_contract" in scenario.checks and target.api:
        await api_contract(asker, target.api)
    if tokens:
        await tokens.quiet()
    if limits:
        await limits.round("quiet")
    for fault in scenario.checks_during:
        async with breaker.with_fault(fault):
            if tokens:
                await tokens.during(fault)
            if limits:
                await limits.round(f"during {fault}")
        asker.healed.append(fault)
        if tokens:
            await tokens.after(fault)
        if limits:
            await limits.round(f"after {fault}")
